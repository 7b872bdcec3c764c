"""Which failures cost nothing."""

from collections.abc import Iterator

from pydantic_ai.exceptions import ModelHTTPError, UserError

from outlive.errors import ModelUnusable


def was_not_billed(error: BaseException) -> bool:
    """Whether a provider has certainly not charged for a call that failed: refused, or never reached."""
    free = (ModelHTTPError, UserError, ModelUnusable, ConnectionRefusedError)
    return any(isinstance(cause, free) for cause in _causes(error))


def _causes(error: BaseException) -> Iterator[BaseException]:
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__

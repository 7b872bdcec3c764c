"""Why a call of a tool, or an effect, ended without a result, as workflow code learns of it."""

from dataclasses import dataclass
from typing import Any, Self

from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError

from outlive.names import OUTCOME_UNKNOWN


@dataclass(frozen=True, kw_only=True)
class CallFailure:
    """Why a call of a tool, or an effect, ended without a result.

    Attributes:
        name: Of the tool, or the effect.
        message: What a model, or a person, reads of it.
        effect_key: What the ledger knows the call by; None where it never came that far.
        is_unknown: Whether it may have had its effect all the same.
    """

    name: str
    message: str
    effect_key: str | None = None
    is_unknown: bool = False

    @classmethod
    def of(cls, name: str, error: Exception, *, what: str = "tool") -> Self:
        """Read it off what a call raised in workflow code."""
        cause: BaseException = error
        while isinstance(cause, ActivityError | ChildWorkflowError) and cause.cause is not None:
            cause = cause.cause
        kind = cause.type if isinstance(cause, ApplicationError) and cause.type else type(cause).__name__
        said = cause.message if isinstance(cause, ApplicationError) else str(cause)
        is_unknown = kind == OUTCOME_UNKNOWN
        told = said if is_unknown or kind in said else f"{kind}: {said}"
        return cls(
            name=name,
            message=f"Nobody knows whether the {what} {name!r} had its effect: {told}"
            if is_unknown
            else f"The {what} {name!r} failed: {told}",
            effect_key=_key_in(cause.details) if isinstance(cause, ApplicationError) else None,
            is_unknown=is_unknown,
        )


def _key_in(details: Any) -> str | None:
    for detail in reversed(list(details)):
        if isinstance(detail, dict) and isinstance(detail.get("effect_key"), str):
            return str(detail["effect_key"])
    return None

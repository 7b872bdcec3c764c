"""What the processes of a project write into their logs: with keys set, nothing that an exception says."""

import logging
import traceback
from collections.abc import Iterator

from outlive.encryption.keyring import keyring_of
from outlive.settings import Settings

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
WITHHELD = "(what it says is withheld from logs, since OUTLIVE_KEYS is set)"
MOST_LINKED = 20  # exceptions that led to each other, or are grouped
_ASYNCIO = "asyncio"  # its messages hold the repr of tasks, and that holds what these raised


def log_to_stderr(settings: Settings) -> None:
    """Let this process log to standard error, which its supervisor or container keeps.

    Where the project has keys, exceptions are logged by their types and places alone: what they say is often made of
    what a document, a person or a model has said. `outlive show` has it.

    Raises:
        KeysInvalid: If there are keys, and they cannot be read.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(FORMAT) if keyring_of(settings) is None else WithholdingFormatter(FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


class WithholdingFormatter(logging.Formatter):
    """Writes of exceptions only which they were, and where they were raised."""

    def format(self, record: logging.LogRecord) -> str:
        """Write a record. It is left as it is for other handlers."""
        own = logging.makeLogRecord(vars(record))
        own.exc_text = None  # a formatter before may have left the whole of it there
        own.args = _without_exceptions(record.args)
        if record.name == _ASYNCIO:
            own.msg, own.args = record.getMessage().partition("\n")[0], None
        return super().format(own)

    def formatException(self, ei: object) -> str:  # noqa: N802 - logging's name
        """Return types and places of an exception, and of those that led to it."""
        error = ei[1] if isinstance(ei, tuple) else None
        return "\n".join(_lines(error, [])) if isinstance(error, BaseException) else ""


def _without_exceptions(args: object) -> tuple[object, ...] | dict[str, object] | None:
    if isinstance(args, dict):
        return {name: _shown(value) for name, value in args.items()}
    if isinstance(args, tuple):
        return tuple(map(_shown, args))
    return None


def _shown(value: object) -> object:
    return f"{type(value).__qualname__} {WITHHELD}" if isinstance(value, BaseException) else value


def _lines(error: BaseException, seen: list[BaseException]) -> Iterator[str]:
    if len(seen) >= MOST_LINKED or any(error is one for one in seen):
        return
    seen.append(error)
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None:
        yield from _lines(before, seen)
        yield "It led to:"
    for frame, line in traceback.walk_tb(error.__traceback__):
        yield f'  File "{frame.f_code.co_filename}", line {line}, in {frame.f_code.co_name}'
    yield f"{type(error).__qualname__} {WITHHELD}"
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield "It holds:"
            yield from _lines(inner, seen)

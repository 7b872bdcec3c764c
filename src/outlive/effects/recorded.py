"""Arguments and results as the ledger keeps them, back as JSON values."""

from typing import Any, Protocol

from pydantic_core import to_jsonable_python
from temporalio.api.common.v1 import Payload


class Decoder(Protocol):
    """What is needed of Temporal's data converter."""

    async def decode(self, payloads: Any, type_hints: Any = None) -> list[Any]:
        """Return what payloads hold."""
        ...


async def decoded(converter: Decoder, recorded: bytes | None) -> Any:
    """Return a recorded value as JSON values; None where none was recorded."""
    if recorded is None:
        return None
    (value,) = await converter.decode([Payload.FromString(recorded)])
    return to_jsonable_python(value, fallback=repr)


_RETURNED = frozenset({"tool_return", "tool_content_result"})


def has_returned(value: Any) -> bool:
    """Whether the result of a tool's activity is one of the tool, rather than its refusal to act."""
    return isinstance(value, dict) and value.get("kind") in _RETURNED


def tool_result(value: Any) -> Any:
    """Return what a tool returned, from the result of its activity."""
    return value.get("result") if isinstance(value, dict) else value

"""Messages of Pydantic AI as chunks, one each: made once, opened once, however often a conversation is sent.

Imports Pydantic AI, which takes a second: `outlive.engine.converter` imports this module once messages are at hand.
"""

import copy
import dataclasses
import functools
import weakref
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from operator import attrgetter
from types import NoneType
from typing import Any, TypeVar
from uuid import UUID

from pydantic import TypeAdapter
from pydantic_ai.messages import (
    _JOURNAL_CONTEXT,  # what Pydantic AI's own converter passes when it reads a journal
    ModelMessage,
    ModelRequest,
    ModelResponse,
)
from pydantic_core import to_json

from outlive.payloads.cache import BoundedCache
from outlive.payloads.tree import digest_of

T = TypeVar("T")

DECODED_BYTES = 64_000_000
"""How many bytes of JSON the messages that are kept opened have together."""

_ADAPTER: TypeAdapter[ModelMessage] = TypeAdapter(ModelMessage)
_UNCHANGEABLE = frozenset(
    {str, bytes, int, float, bool, complex, NoneType, datetime, date, time, timedelta, Decimal, UUID, type}
)


@dataclasses.dataclass(slots=True)
class _Seen:
    """The digest of a message, and what the message looked like then."""

    message: "weakref.ref[ModelMessage]"
    look: "_Look"
    digest: bytes


class MessageChunks:
    """Turns messages into chunks and back. May be used from any thread."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}
        self._decoded: BoundedCache[bytes, ModelMessage] = BoundedCache(DECODED_BYTES)

    @staticmethod
    def are_messages(values: Sequence[object]) -> bool:
        """Return whether values are messages, all of them."""
        return all(isinstance(value, ModelRequest | ModelResponse) for value in values)

    def digest(self, message: ModelMessage) -> tuple[bytes, bytes | None]:
        """Return the digest of a message's JSON, and the JSON where it had to be made.

        A message object that was seen before, and has not been changed since, costs a comparison.
        """
        key = id(message)
        seen = self._seen.get(key)
        if seen is not None and seen.message() is message and seen.look.still_holds(message):
            return seen.digest, None
        content = self.content(message)
        digest = digest_of(content)
        seen = _Seen(
            message=weakref.ref(message, functools.partial(self._forget, key)), look=_Look(message), digest=digest
        )
        self._seen[key] = seen
        return digest, content

    @staticmethod
    def content(message: ModelMessage) -> bytes:
        """Return a message's JSON, as Pydantic AI's own converter writes it."""
        return to_json(message)

    def decoded(self, digest: bytes) -> ModelMessage | None:
        """Return the message of a digest, if it is kept opened. It is shared: `own` makes a caller's copy."""
        return self._decoded.get(digest)

    def decode(self, digest: bytes, content: bytes) -> ModelMessage:
        """Return the message of a chunk. It is shared: `own` makes a caller's copy."""
        message = self._decoded.get(digest)
        if message is None:
            message = _ADAPTER.validate_json(content, context=_JOURNAL_CONTEXT)
            self._decoded.put(digest, message, len(content))
        return message

    @staticmethod
    def own(message: ModelMessage) -> ModelMessage:
        """Return a copy of a shared message, and of its parts, that its caller may change.

        What the fields of a part hold is shared on.
        """
        copied = _shallow(message)
        object.__setattr__(copied, "parts", [_shallow(part) for part in message.parts])
        return copied

    def _forget(self, key: int, reference: "weakref.ref[ModelMessage]") -> None:
        seen = self._seen.get(key)
        if seen is not None and seen.message is reference:
            self._seen.pop(key, None)


class _Look:
    """What a message held, so that a change in place is noticed: identical strings are not even compared."""

    __slots__ = ("_parts", "_values")

    def __init__(self, message: ModelMessage) -> None:
        self._values = _frozen(_fields(message))
        self._parts = [_frozen(_fields(part)) for part in message.parts]

    def still_holds(self, message: ModelMessage) -> bool:
        """Return whether the message holds the same now."""
        if len(message.parts) != len(self._parts) or self._values != _fields(message):
            return False
        return all(values == _fields(part) for values, part in zip(self._parts, message.parts, strict=True))


@functools.cache
def _reader_of(kind: Any) -> Callable[[object], tuple[object, ...]]:
    """Return what reads the class and all the fields of a message or part, but for the parts of a message."""
    return attrgetter("__class__", *(field.name for field in dataclasses.fields(kind) if field.name != "parts"))


def _fields(value: object) -> tuple[object, ...]:
    kind: Any = type(value)
    return _reader_of(kind)(value)


def _frozen(values: tuple[object, ...]) -> tuple[object, ...]:
    return tuple(value if type(value) in _UNCHANGEABLE else _copied(value) for value in values)


def _copied(value: object) -> object:
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 - any object of a user's may stand in a tool's result
        return object()  # equals nothing: the message is made into JSON each time


def _shallow(value: T) -> T:
    state = getattr(value, "__dict__", None)
    if state is None or hasattr(type(value), "__slots__"):
        return copy.copy(value)
    copied = object.__new__(type(value))
    copied.__dict__.update(state)
    return copied

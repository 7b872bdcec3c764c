"""Messages of Pydantic AI as chunks, one each: made once, opened once, however often a conversation is sent.

Imports Pydantic AI, which takes a second: `outlive.engine.converter` imports this module once messages are at hand.
"""

import copy
import dataclasses
import functools
import weakref
from collections.abc import Iterable, Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal
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
    {str, bytes, int, float, bool, complex, NoneType, datetime, date, time, timedelta, Decimal, UUID}
)


@dataclasses.dataclass(slots=True)
class _Seen:
    """The digest of a message, and what the message looked like then."""

    message: "weakref.ref[ModelMessage]"
    look: "_Look"
    digest: bytes


@dataclasses.dataclass(slots=True)
class _Opened:
    """A message that was read, and what it looked like then."""

    message: ModelMessage
    look: "_Look"


class MessageChunks:
    """Turns messages into chunks and back. May be used from any thread."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}
        self._decoded: BoundedCache[bytes, _Opened] = BoundedCache(DECODED_BYTES)

    @staticmethod
    def are_messages(values: Sequence[object]) -> bool:
        """Return whether values are messages, all of them."""
        return all(isinstance(value, ModelRequest | ModelResponse) for value in values)

    def digests(self, messages: Sequence[ModelMessage]) -> tuple[list[bytes], dict[bytes, bytes]]:
        """Return the digests of the messages' JSON, and by digest the JSON that had to be made.

        A message object that was seen before, and has not been changed since, costs a comparison.
        """
        digests, made = [], {}
        for message in messages:
            seen = self._seen.get(id(message))
            if seen is None or seen.message() is not message or not seen.look.still_holds():
                content = self.content(message)
                seen = self._remember(message, digest_of(content))
                made[seen.digest] = content
            digests.append(seen.digest)
        return digests, made

    @staticmethod
    def content(message: ModelMessage) -> bytes:
        """Return a message's JSON, as Pydantic AI's own converter writes it."""
        return to_json(message)

    def decoded(self, digests: Iterable[bytes]) -> dict[bytes, ModelMessage]:
        """Return those messages that are kept opened, by digest, but none that somebody has changed since.

        They are shared: `own` makes a caller's copy.
        """
        opened = self._decoded.get_all(digests)
        return {digest: kept.message for digest, kept in opened.items() if kept.look.still_holds()}

    def decode(self, digest: bytes, content: bytes) -> ModelMessage:
        """Return the message of a chunk. It is shared: `own` makes a caller's copy."""
        kept = self._decoded.get(digest)
        if kept is not None and kept.look.still_holds():
            return kept.message
        message = _ADAPTER.validate_json(content, context=_JOURNAL_CONTEXT)
        self._decoded.put(digest, _Opened(message=message, look=_Look(message)), len(content))
        return message

    @staticmethod
    def own(message: ModelMessage) -> ModelMessage:
        """Return a copy of a shared message, and of its parts, that its caller may keep.

        What the fields of a part hold is shared on.
        """
        copied = _shallow(message)
        object.__setattr__(copied, "parts", [_shallow(part) for part in message.parts])
        return copied

    def _remember(self, message: ModelMessage, digest: bytes) -> _Seen:
        key = id(message)
        reference = weakref.ref(message, functools.partial(self._forget, key))
        seen = self._seen[key] = _Seen(message=reference, look=_Look(message), digest=digest)
        return seen

    def _forget(self, key: int, reference: "weakref.ref[ModelMessage]") -> None:
        seen = self._seen.get(key)
        if seen is not None and seen.message is reference:
            self._seen.pop(key, None)


class _Look:
    """What a message held, so that a change in place is noticed, at any depth.

    Every container that a change could happen in stands beside a shallow copy of it. Comparing the two compares
    their items by identity first: the length of a text does not matter.
    """

    __slots__ = ("_pairs",)

    def __init__(self, message: ModelMessage) -> None:
        self._pairs: list[tuple[Any, Any]] = []
        self._watch(message)

    def still_holds(self) -> bool:
        """Return whether the message holds the same now."""
        for now, then in self._pairs:  # noqa: SIM110 - a generator takes twice as long, and this is done for each message
            if now != then:
                return False
        return True

    def _watch(self, value: Any) -> None:
        kind = type(value)
        if kind in _UNCHANGEABLE:
            return
        if kind is list or kind is dict:
            self._pairs.append((value, value.copy()))
            self._watch_all(value if kind is list else value.values())
        elif kind is tuple:
            self._watch_all(value)
        elif dataclasses.is_dataclass(kind) and _is_plain(kind):
            self._watch(value.__dict__)
        else:
            self._pairs.append((value, _copied(value)))

    def _watch_all(self, values: Iterable[Any]) -> None:
        for value in values:
            self._watch(value)


def _copied(value: object) -> object:
    try:
        return copy.deepcopy(value)
    except Exception:  # noqa: BLE001 - any object of a user's may stand in a tool's result
        return object()  # equals nothing: the message is made into JSON each time


@functools.cache
def _is_plain(kind: Any) -> bool:
    """Return whether all that an object of a class holds is in its ``__dict__``."""
    return hasattr(kind, "__dict__") and not any(vars(base).get("__slots__") for base in kind.__mro__)


def _shallow(value: T) -> T:
    kind: Any = type(value)
    if not _is_plain(kind):
        return copy.copy(value)
    copied: T = object.__new__(kind)  # a fifth of what copy.copy costs
    copied.__dict__ = value.__dict__.copy()
    return copied

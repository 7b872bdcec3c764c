"""How values become payloads: as Pydantic AI has it, but that conversations are taken apart.

A dataclass with a field ``messages`` that holds Pydantic AI's messages (each model call of an agent sends one) becomes
a payload of constant size: each message, and each other field that is large, is a chunk in the project's payload store.
"""

import copy
import dataclasses
import functools
import sys
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from types import UnionType
from typing import TYPE_CHECKING, Any, ClassVar, Self, Union, get_args, get_origin

from pydantic_core import to_json
from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue
from temporalio.contrib.pydantic import PydanticPayloadConverter
from temporalio.converter import ActivitySerializationContext, EncodingPayloadConverter, SerializationContext
from temporalio.exceptions import ApplicationError

from outlive.engine.envelopes import (
    CONVERSATION,
    ENCODING,
    PIN,
    REPLAYED,
    Conversation,
    encoding_of,
    json_array,
    json_object,
)
from outlive.errors import PayloadError, PayloadTooLarge
from outlive.payloads.cache import BoundedCache
from outlive.payloads.tree import digest_of
from outlive.payloads.vault import Vault

if TYPE_CHECKING:
    from outlive.engine.messages import MessageChunks

LARGEST_PAYLOAD = 100_000_000  # bytes of one value or message: what a worker can hold some dozens of
LARGEST_INLINE_FIELD = 1_024  # bytes of JSON; a larger field is stored once, and its digest takes 28 bytes
MOST_PINNED = 256
"""Conversations between codec and converter. More are not lost: what was fetched for them is fetched again."""
_PLAIN = b"json/plain"
_MESSAGES = "messages"


class ValueTooLarge(PayloadTooLarge, ApplicationError):
    """`PayloadTooLarge` as Temporal has to hear it: the run or activity fails at once, and is not tried for ever."""

    def __init__(self, what: str, *, size: int, limit: int) -> None:
        PayloadTooLarge.__init__(self, what, size=size, limit=limit)
        ApplicationError.__init__(self, str(self), type=PayloadTooLarge.__name__, non_retryable=True)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pin:
    """What was fetched for a conversation.

    Attributes:
        leaves: Digests of the messages, in order.
        messages: Messages that were open already, by digest.
        contents: JSON of all others, and of the fields apart, by digest.
    """

    leaves: list[bytes]
    messages: Mapping[bytes, Any]
    contents: Mapping[bytes, bytes]


class _Pydantic:
    """Pydantic AI's parts, once its modules are loaded. This module must not load them: that takes seconds."""

    messages: ClassVar["MessageChunks | None"] = None
    json: ClassVar[EncodingPayloadConverter | None] = None


def message_chunks() -> "MessageChunks":
    """Return what makes messages into chunks, and load Pydantic AI for it."""
    if _Pydantic.messages is None:
        from outlive.engine.messages import MessageChunks

        _Pydantic.messages = MessageChunks()
    return _Pydantic.messages


def notice_pydantic_ai() -> None:
    """Take up those modules of Pydantic AI that this process has loaded by now.

    Not within workflows: the sandbox would load them anew. The codec calls it before any workflow sees a payload.
    """
    if workflow.in_workflow():
        return
    if _Pydantic.messages is None and _is_loaded("pydantic_ai.messages"):
        message_chunks()
    if _Pydantic.json is None and _is_loaded("pydantic_ai.durable_exec.temporal"):
        from pydantic_ai.durable_exec.temporal import PydanticAIPayloadConverter

        _Pydantic.json = PydanticAIPayloadConverter().converters[_PLAIN]


def _is_loaded(name: str) -> bool:
    module = sys.modules.get(name)
    return module is not None and not getattr(module.__spec__, "_initializing", False)


class OutlivePayloadConverter(PydanticPayloadConverter):
    """Reads and writes what Pydantic AI's payload converter does, and conversations as `Conversation` payloads.

    Attributes:
        vault: Where chunks go; `converter_for` makes a class for each.
        pins: What the codec has fetched, until the converter takes it.
    """

    vault: ClassVar[Vault]
    pins: ClassVar[BoundedCache[bytes, Pin]]
    _is_for_activities = False

    def with_context(self, context: SerializationContext) -> Self:
        """Return the converter of an activity's arguments: these need not be made again in a replay."""
        if self._is_for_activities or not isinstance(context, ActivitySerializationContext) or context.is_local:
            return self  # a local activity that a replay finds unfinished is run, with what was converted there
        return self._of_activities

    @functools.cached_property
    def _of_activities(self) -> Self:
        twin = copy.copy(self)
        twin._is_for_activities = True  # noqa: SLF001 - its own
        return twin

    def to_payloads(self, values: Sequence[Any]) -> list[Payload]:
        """Convert values.

        Raises:
            PayloadTooLarge: For a value above `LARGEST_PAYLOAD`.
        """
        notice_pydantic_ai()
        return [self._written(value) for value in values]

    def from_payloads(self, payloads: Sequence[Payload], type_hints: list[type] | None = None) -> list[Any]:
        """Convert payloads; a conversation for which no type is hinted becomes plain JSON values."""
        notice_pydantic_ai()
        return [self._read(payload, hint) for payload, hint in zip_longest(payloads, type_hints or [])]

    def _written(self, value: Any) -> Payload:
        if (messages := _messages_of(value)) is not None:
            if self._is_for_activities and _replays():
                return Payload(metadata={ENCODING: REPLAYED})
            return self._taken_apart(value, messages)
        (payload,) = super().to_payloads([value])
        check_size(f"A value of type {type(value).__name__!r}", len(payload.data))
        return payload

    def _read(self, payload: Payload, hint: Any) -> Any:
        kind = encoding_of(payload)
        if hint == RawValue:
            return RawValue(payload)
        if kind == CONVERSATION:
            return self._put_together(payload, hint)
        if kind == REPLAYED:
            raise PayloadError("A command that was thought to be replayed was sent. Please report this as a bug.")
        if kind == _PLAIN and _Pydantic.json is not None:
            return _Pydantic.json.from_payload(payload, hint)
        (value,) = super().from_payloads([payload], [hint] if hint is not None else None)
        return value

    def _taken_apart(self, value: Any, messages: list[Any]) -> Payload:
        chunks, vault = message_chunks(), self.vault
        leaves, made = chunks.digests(messages)
        if lacking := set(vault.lacking(leaves)):
            for message, digest in zip(messages, leaves, strict=True):
                if digest in lacking:
                    content = made.get(digest) or chunks.content(message)
                    check_size("A message", len(content))
                    vault.add(digest, content)
        inline, apart = {}, {}
        for field in dataclasses.fields(value):
            if field.name == _MESSAGES or field.name.startswith("_"):
                continue
            content = to_json(getattr(value, field.name))
            if len(content) <= LARGEST_INLINE_FIELD:
                inline[field.name] = content
                continue
            check_size(f"The field {field.name!r}", len(content))
            digest = apart[field.name] = digest_of(content)
            if not vault.holds(digest):
                vault.add(digest, content)
        return Conversation(messages=vault.add_sequence(leaves), fields=inline, apart=apart).to_payload()

    def _put_together(self, payload: Payload, hint: Any) -> Any:
        conversation = Conversation.read(payload)
        pin = self.pins.pop(payload.metadata[PIN]) if PIN in payload.metadata else None
        if pin is None:
            pin = self.vault.run_now(lambda: fetch(self.vault, conversation))
        fields = dict(conversation.fields)
        fields.update((name, pin.contents[digest]) for name, digest in conversation.apart.items())
        if not _has_messages(hint):
            fields[_MESSAGES] = json_array([_json_of(pin, digest) for digest in pin.leaves])
            return self._read(_plain(fields), hint)
        value = self._read(_plain({**fields, _MESSAGES: b"[]"}), hint)
        object.__setattr__(value, _MESSAGES, _messages_in(pin, shared=self._reads_arguments))  # it may be frozen
        return value

    @property
    def _reads_arguments(self) -> bool:
        """Whether what is read is an activity's alone.

        The calls of one run then share their messages, as they would in memory: copying them takes ten times as long
        as seeing that none was changed. A workflow's messages are its own. What an activity did to them would be
        lost in a replay.
        """
        return self._is_for_activities and not workflow.in_workflow()


async def fetch(vault: Vault, conversation: Conversation) -> Pin:
    """Fetch what a conversation is put together from; messages that are kept opened are not fetched.

    Raises:
        PayloadMissing: If any of it is not there.
    """
    leaves = (await vault.open(conversation.messages)).leaves
    wanted = dict.fromkeys(leaves)
    opened = {} if _Pydantic.messages is None else _Pydantic.messages.decoded(wanted)
    missing = [digest for digest in wanted if digest not in opened]
    contents = await vault.load([*missing, *conversation.apart.values()])
    return Pin(leaves=leaves, messages=opened, contents=contents)


def check_size(what: str, size: int) -> None:
    """Raise `PayloadTooLarge` for a size above `LARGEST_PAYLOAD`."""
    if size > LARGEST_PAYLOAD:
        raise ValueTooLarge(what, size=size, limit=LARGEST_PAYLOAD)


def converter_for(vault: Vault) -> type[OutlivePayloadConverter]:
    """Return the payload converter that keeps chunks in a vault: Temporal makes instances of it, without arguments."""
    names = {"__module__": __name__, "vault": vault, "pins": BoundedCache[bytes, Pin](MOST_PINNED)}
    return type(OutlivePayloadConverter.__name__, (OutlivePayloadConverter,), names)


def _messages_of(value: object) -> list[Any] | None:
    """Return the messages of a dataclass that is to be taken apart; None for any other value."""
    if not dataclasses.is_dataclass(value) or isinstance(value, type) or hasattr(value, "__pydantic_serializer__"):
        return None
    messages = getattr(value, _MESSAGES, None)
    if not isinstance(messages, list) or not messages or type(messages[0]).__module__ != "pydantic_ai.messages":
        return None
    return messages if message_chunks().are_messages(messages) else None


def _has_messages(hint: Any) -> bool:
    """Return whether a type, or one of a union, is a dataclass with a field for messages."""
    origin = get_origin(hint)
    if origin in {Union, UnionType}:
        return any(_has_messages(argument) for argument in get_args(hint))
    return _MESSAGES in getattr(origin or hint, "__dataclass_fields__", ())


def _replays() -> bool:
    return workflow.in_workflow() and workflow.unsafe.is_replaying_history_events()


def _plain(fields: Mapping[str, bytes]) -> Payload:
    return Payload(metadata={ENCODING: _PLAIN}, data=json_object(fields))


def _messages_in(pin: Pin, *, shared: bool) -> list[Any]:
    chunks = message_chunks()
    opened = dict(pin.messages)
    for digest in pin.leaves:
        if digest not in opened:
            opened[digest] = chunks.decode(digest, pin.contents[digest])
    if shared and len(opened) == len(pin.leaves):  # the same message twice is two messages
        return [opened[digest] for digest in pin.leaves]
    own = chunks.own
    return [own(opened[digest]) for digest in pin.leaves]


def _json_of(pin: Pin, digest: bytes) -> bytes:
    message = pin.messages.get(digest)
    return pin.contents[digest] if message is None else message_chunks().content(message)

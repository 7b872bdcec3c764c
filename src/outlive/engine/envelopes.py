"""The payloads of ours that stand in a history instead of something large."""

import base64
import binascii
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from temporalio.api.common.v1 import Payload

from outlive.errors import PayloadError
from outlive.payloads.tree import DIGEST_SIZE, Expanded, Reference

ENCODING = "encoding"
CLAIM = b"binary/outlive-claim"
"""Stands for a payload that was stored whole."""
CONVERSATION = b"json/outlive-messages"
"""Stands for a dataclass whose messages, and large fields, were stored each for itself."""
REPLAYED = b"binary/outlive-replayed"
"""Stands for an argument of a command that history has already: nobody reads it."""
PIN = "outlive-pin"
"""Metadata of a decoded conversation: what was fetched for it. It never leaves the process."""

R = TypeVar("R")
Open = Callable[[Reference], Awaitable[Expanded]]


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Where the content of a payload is, and how many bytes it has."""

    size: int
    reference: Reference

    def to_payload(self) -> Payload:
        """Return the payload that stands in history."""
        return Payload(metadata={ENCODING: CLAIM}, data=_json({"size": self.size, **_written(self.reference)}))

    @classmethod
    def read(cls, payload: Payload) -> "Claim":
        """Read a payload of this kind.

        Raises:
            PayloadError: If it is not one.
        """
        parsed = _parsed(payload)
        return _reading(lambda: cls(size=int(parsed["size"]), reference=_reference(parsed)), payload)


@dataclass(frozen=True, kw_only=True)
class Conversation:
    """A dataclass with messages, taken apart.

    Attributes:
        messages: Reference to one chunk of JSON for each message.
        fields: JSON of each other field that is small.
        apart: Digest of the JSON of each other field that is large.
    """

    messages: Reference
    fields: Mapping[str, bytes] = field(default_factory=dict)
    apart: Mapping[str, bytes] = field(default_factory=dict)

    def to_payload(self) -> Payload:
        """Return the payload that stands in history."""
        data = b'{"messages":%b,"fields":%b,"apart":%b}' % (
            _json(_written(self.messages)),
            json_object(self.fields),
            _json({name: _text(digest) for name, digest in self.apart.items()}),
        )
        return Payload(metadata={ENCODING: CONVERSATION}, data=data)

    @classmethod
    def read(cls, payload: Payload) -> "Conversation":
        """Read a payload of this kind.

        Raises:
            PayloadError: If it is not one.
        """
        parsed = _parsed(payload)
        return _reading(
            lambda: cls(
                messages=_reference(parsed["messages"]),
                fields={name: _json(value) for name, value in parsed["fields"].items()},
                apart={name: _digest(text) for name, text in parsed["apart"].items()},
            ),
            payload,
        )


def encoding_of(payload: Payload) -> bytes:
    """Return the encoding that a payload names; empty where it names none."""
    return payload.metadata.get(ENCODING, b"")


async def digests_behind(payload: Payload, open_reference: Open) -> set[bytes]:
    """Return every chunk that a payload refers to, groups included; none for one that is not ours.

    Raises:
        PayloadError: If the payload, or a group, cannot be read.
    """
    kind = encoding_of(payload)
    found: set[bytes] = set()
    if kind == CLAIM:
        reference = Claim.read(payload).reference
    elif kind == CONVERSATION:
        conversation = Conversation.read(payload)
        reference = conversation.messages
        found.update(conversation.apart.values())
    else:
        return found
    expanded = await open_reference(reference)
    return found | expanded.groups | set(expanded.leaves)


def json_object(fields: Mapping[str, bytes]) -> bytes:
    """Return a JSON object of values that are JSON already."""
    return b"{%b}" % b",".join(b"%b:%b" % (_json(name), value) for name, value in fields.items())


def json_array(items: list[bytes]) -> bytes:
    """Return a JSON array of items that are JSON already."""
    return b"[%b]" % b",".join(items)


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


def _text(digests: bytes) -> str:
    return base64.b64encode(digests).decode()


def _digest(text: str) -> bytes:
    digest = base64.b64decode(text, validate=True)
    if len(digest) != DIGEST_SIZE:
        raise ValueError(f"{text!r} is no digest")
    return digest


def _written(reference: Reference) -> dict[str, object]:
    return {"count": reference.count, "roots": _text(reference.roots)}


def _reference(parsed: Mapping[str, Any]) -> Reference:
    reference = Reference(count=int(parsed["count"]), roots=base64.b64decode(parsed["roots"], validate=True))
    reference.levels()  # raises where count and roots do not fit
    return reference


def _parsed(payload: Payload) -> dict[str, Any]:
    def parse() -> dict[str, Any]:
        parsed = json.loads(payload.data)
        if not isinstance(parsed, dict):
            raise TypeError("no JSON object")
        return parsed

    return _reading(parse, payload)


def _reading(read: Callable[[], R], payload: Payload) -> R:
    try:
        return read()
    except (ValueError, KeyError, TypeError, AttributeError, binascii.Error) as error:
        raise PayloadError(
            f"A payload of kind {encoding_of(payload).decode()!r} cannot be read: {error!r}. "
            "It was written by a newer Outlive, or is damaged."
        ) from error

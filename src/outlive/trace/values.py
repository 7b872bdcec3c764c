"""Payloads as JSON values: small ones whole, large ones as their beginning and a reference."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pydantic_core import to_json, to_jsonable_python
from temporalio import exceptions
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure as FailureProto
from temporalio.converter import DataConverter
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError, TimeoutType

from outlive.engine.sealing import readable
from outlive.errors import OutliveError
from outlive.names import WORKER_LOST
from outlive.trace.model import Failure, Value

LARGEST_SHOWN = 2_000  # bytes; a trace of 1,000 calls stays at some MB, and a person reads a few lines of each anyway
LARGEST_PREVIEW = 640  # bytes: 160 characters of any script, the most that a row of an outline shows
LONGEST_MESSAGE = 2_000  # characters of an error

_LOST = (TimeoutType.HEARTBEAT,)


class Values:
    """Turns payloads into values of a trace; never raises for one that cannot be read."""

    def __init__(
        self,
        converter: DataConverter,
        *,
        largest: int | None = LARGEST_SHOWN,
        wanted: str | None = None,
        with_results: bool = True,
    ) -> None:
        """Say how payloads are decoded and what is kept of them.

        Args:
            converter: Of the client that the payloads were read with.
            largest: Bytes of a value that is kept whole; of a larger one its beginning. None keeps all whole.
            wanted: Reference of a value that is to be kept whole; it is in `found` afterwards.
            with_results: Whether results of activities and child workflows are looked at, but for models' answers.
        """
        self._converter = converter
        self._largest = largest
        self._wanted = wanted
        self.with_results = with_results
        self.found: Value | None = None

    def wants(self, ref: str) -> bool:
        """Return whether this is the value that is wanted."""
        return ref == self._wanted

    async def plain(self, payload: Payload) -> Any:
        """Return a payload as JSON values.

        Raises:
            UnreadableValue: If it cannot be decoded here.
        """
        try:
            (decoded,) = await self._converter.decode([payload])
            return to_jsonable_python(decoded, fallback=repr, bytes_mode="base64")
        except Exception as error:  # a codec, or a type of somebody else's, may raise anything
            raise UnreadableValue(f"it cannot be read here ({type(error).__name__}: {error})") from error

    async def mapping(self, payload: Payload) -> dict[str, Any]:
        """Return a payload that is expected to be an object.

        Raises:
            UnreadableValue: If it cannot be decoded here, or is none.
        """
        found = await self.plain(payload)
        if not isinstance(found, dict):
            raise UnreadableValue(f"an object was expected, not {type(found).__name__}")
        return found

    async def value(self, ref: str, payload: Payload) -> Value:
        """Return a payload as a value; with its problem, where it cannot be read."""
        try:
            return self.keep(ref, await self.plain(payload))
        except UnreadableValue as error:
            return self.unreadable(ref, len(payload.data), error)

    async def values(self, ref: str, payloads: Sequence[Payload]) -> Value | None:
        """Return one payload as a value, several as the list of them; None where there is none."""
        if not payloads:
            return None
        if len(payloads) == 1:
            return await self.value(ref, payloads[0])
        try:
            return self.keep(ref, [await self.plain(payload) for payload in payloads])
        except UnreadableValue as error:
            return self.unreadable(ref, sum(len(payload.data) for payload in payloads), error)

    def keep(self, ref: str, content: Any) -> Value:
        """Return what is kept of JSON values."""
        text = content.encode("utf-8", "replace") if isinstance(content, str) else to_json(content, fallback=repr)
        value = Value(ref=ref, size=len(text), content=content)
        if ref == self._wanted:
            self.found = value
        if self._largest is None or len(text) <= self._largest:
            return value
        return replace(value, content=text[: self._largest].decode("utf-8", "ignore"), is_cut=True)

    def unreadable(self, ref: str, size: int, error: "UnreadableValue") -> Value:
        """Return what stands for a value that cannot be read."""
        value = Value(ref=ref, size=size, problem=str(error)[:LONGEST_MESSAGE])
        if ref == self._wanted:
            self.found = value
        return value

    async def readable(self, failure: FailureProto) -> FailureProto:
        """Return a failure with the messages that can be decrypted here."""
        return await readable(self._converter, failure)

    async def failure(self, failure: FailureProto, **more: Any) -> Failure:
        """Return a failure as people read it: its root cause, decrypted where that can be done here."""
        try:
            error: BaseException = await self._converter.decode_failure(failure)
        except Exception:  # noqa: BLE001 - as above; the failure's own text is left then
            return Failure(type=_kind(failure), message=failure.message[:LONGEST_MESSAGE], **more)
        while isinstance(error, ActivityError | ChildWorkflowError) and error.cause is not None:
            error = error.cause
        if isinstance(error, exceptions.TimeoutError):
            if error.type in _LOST:
                return Failure(type=WORKER_LOST, message="its worker died, or was cut off", **more)
            limit = error.type.name.lower().replace("_", " ") if error.type is not None else "unknown"
            return Failure(type="Timeout", message=f"no end within its {limit} timeout", **more)
        kind = error.type if isinstance(error, ApplicationError) and error.type else type(error).__name__
        said = getattr(error, "message", "") or str(error)
        return Failure(type=kind.strip(), message=said[:LONGEST_MESSAGE], **more)


class UnreadableValue(OutliveError):
    """A payload that cannot be read here; it never leaves this package, but becomes a value's problem."""


def _kind(failure: FailureProto) -> str:
    return failure.application_failure_info.type or "Failure"

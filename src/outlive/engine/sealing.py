"""Payloads and failures of Temporal, encrypted under the project's keys."""

from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.converter import DataConverter

from outlive.encryption.keyring import Keyring, header_of, read_header
from outlive.engine.envelopes import ENCODING, encoding_of
from outlive.errors import KeyMissing

SEALED = b"binary/outlive-encrypted"
"""Stands for a payload that is encrypted whole, its metadata included."""
PLACE = "temporal.payload"
"""All payloads are bound to the same place: Temporal carries them on, from a result to an argument."""
_EMPTY = b"binary/null"


def seal_payload(payload: Payload, keys: Keyring | None) -> Payload:
    """Return a payload as it may rest; without keys, and for one that is empty or encrypted, as it is."""
    if keys is None or encoding_of(payload) in {SEALED, _EMPTY}:
        return payload
    return Payload(metadata={ENCODING: SEALED}, data=keys.seal(payload.SerializeToString(), PLACE))


def open_payload(payload: Payload, keys: Keyring | None) -> Payload:
    """Return what `seal_payload` was given; another payload as it is.

    Raises:
        KeyMissing: If its key is not there.
        SealBroken: If it is not what was encrypted.
    """
    if encoding_of(payload) != SEALED:
        return payload
    if keys is None:
        raise KeyMissing(read_header(payload.data)[0], known=())
    return Payload.FromString(keys.open(payload.data, PLACE))


def resealed(serialized: bytes, keys: Keyring) -> bytes | None:
    """Return a serialised payload encrypted under the current key; None where it is already, or is empty.

    Raises:
        KeyMissing: If its key is not there.
        SealBroken: If it is not what was encrypted.
    """
    payload = Payload.FromString(serialized)
    if encoding_of(payload) == SEALED and payload.data.startswith(header_of(keys.current)):
        return None
    fresh = seal_payload(open_payload(payload, keys), keys)
    return None if fresh == payload else fresh.SerializeToString()


async def readable(converter: DataConverter, failure: Failure) -> Failure:
    """Return a failure whose message, and those of its causes, are readable, as far as they can be read here."""
    opened = Failure()
    opened.CopyFrom(failure)
    one = opened
    while True:
        if one.HasField("encoded_attributes"):
            await _reveal(converter, one)
        if not one.HasField("cause"):
            return opened
        one = one.cause


async def reveal_failures(client: Client, description: WorkflowExecutionDescription) -> None:
    """Make the failures of a description's pending activities readable, in place."""
    for pending in description.raw_description.pending_activities:
        if pending.HasField("last_failure"):
            pending.last_failure.CopyFrom(await readable(client.data_converter, pending.last_failure))


async def _reveal(converter: DataConverter, failure: Failure) -> None:
    try:
        (found,) = await converter.decode([failure.encoded_attributes])
    except Exception as error:  # noqa: BLE001 - a codec may raise anything; the failure says so then
        failure.message = f"It cannot be read here ({type(error).__name__}: {error})"
        return
    if isinstance(found, dict):
        failure.message = str(found.get("message", failure.message))
        failure.stack_trace = str(found.get("stack_trace", ""))

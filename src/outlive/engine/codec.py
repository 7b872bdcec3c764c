"""What is done to payloads before they are sent, and after they are received.

Nothing large goes into a history, and nothing readable where the project has keys.
"""

import itertools
import os
from collections.abc import Sequence

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from outlive.encryption.keyring import Keyring
from outlive.engine.converter import OutlivePayloadConverter, Pin, check_size, fetch, notice_pydantic_ai
from outlive.engine.envelopes import CLAIM, CONVERSATION, PIN, Claim, Conversation, encoding_of
from outlive.engine.sealing import open_payload, seal_payload
from outlive.errors import PayloadError
from outlive.payloads.cache import BoundedCache
from outlive.payloads.vault import Vault

CLAIM_ABOVE = 16_384
"""Bytes: a payload above it becomes a claim. Below, a look into the store costs more than the bytes do; and a run of
thousand events with payloads just below it stays within half of what Temporal allows."""


class OutliveCodec(PayloadCodec):
    """Stores large payloads and what conversations are made of; fetches both again. Others pass as they are.

    What it gives is encrypted, where there are keys; what it is given may be.

    Works on any event loop, and on several in turn.
    """

    def __init__(self, converter: type[OutlivePayloadConverter], *, keys: Keyring | None = None) -> None:
        """The converter is the one that makes and reads the payloads."""
        self._keys = keys
        self._vault: Vault = converter.vault
        self._pins: BoundedCache[bytes, Pin] = converter.pins
        self._tokens = itertools.count()
        self._origin = os.urandom(8)

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return payloads as they may be sent: all that they refer to is stored.

        Raises:
            PayloadError: If it cannot be stored; Temporal tries again.
            PayloadTooLarge: For a payload that the converter did not see, and that is too large.
        """
        notice_pydantic_ai()
        if any(encoding_of(payload) == CONVERSATION for payload in payloads):
            await self._vault.flush()
        return [seal_payload(await self._encoded(payload), self._keys) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return payloads as the converter reads them.

        Raises:
            PayloadMissing: If the store does not have what they refer to.
            PayloadError: If it cannot be read.
            EncryptionError: If it is encrypted, and cannot be decrypted here.
        """
        notice_pydantic_ai()
        return [await self._decoded(open_payload(payload, self._keys)) for payload in payloads]

    async def _encoded(self, payload: Payload) -> Payload:
        if encoding_of(payload) == CONVERSATION:
            if PIN not in payload.metadata:
                return payload
            unpinned = Payload()  # a raw value that is passed on
            unpinned.CopyFrom(payload)
            del unpinned.metadata[PIN]
            return unpinned
        if len(payload.data) <= CLAIM_ABOVE or encoding_of(payload) == CLAIM:
            return payload
        check_size("A payload", len(payload.data))
        content = payload.SerializeToString()
        return Claim(size=len(content), reference=await self._vault.put_content(content)).to_payload()

    async def _decoded(self, payload: Payload) -> Payload:
        kind = encoding_of(payload)
        if kind == CLAIM:
            return await self._claimed(Claim.read(payload))
        if kind == CONVERSATION:
            token = self._origin + next(self._tokens).to_bytes(8)
            self._pins.put(token, await fetch(self._vault, Conversation.read(payload)), 1)
            pinned = Payload()
            pinned.CopyFrom(payload)
            pinned.metadata[PIN] = token
            return pinned
        return payload

    async def _claimed(self, claim: Claim) -> Payload:
        content = await self._vault.load_content(claim.reference)
        if len(content) != claim.size:
            raise PayloadError(f"A stored payload has {len(content):,} bytes instead of {claim.size:,}.")
        return Payload.FromString(content)

"""How a chunk rests in a store: where, and as what. The first byte says how the rest is to be read."""

import zlib
from collections.abc import Iterable
from typing import Protocol

from outlive.encryption.keyring import Keyring, read_header
from outlive.errors import KeyMissing, PayloadError
from outlive.payloads.tree import digest_of

RAW = b"\x00"
ZLIB = b"\x01"
SEALED = b"\x02"
SMALLEST_COMPRESSED = 100  # bytes; below it compressing never pays
LONGEST_HEADER = 40  # bytes of what is stored that say how it is encrypted
_LEVEL = 1  # conversations shrink to a third; higher levels take several times as long for some percent more


def pack(content: bytes) -> bytes:
    """Return a content as it is stored: compressed where that makes it smaller."""
    if len(content) >= SMALLEST_COMPRESSED:
        packed = zlib.compress(content, _LEVEL)
        if len(packed) < len(content):
            return ZLIB + packed
    return RAW + content


def unpack(stored: bytes) -> bytes:
    """Return the content of what `pack` gave.

    Raises:
        PayloadError: If it is damaged, or in a format that this Outlive does not know.
        KeyMissing: If it is encrypted.
    """
    kind, packed = stored[:1], stored[1:]
    if kind == RAW:
        return packed
    if kind == ZLIB:
        try:
            return zlib.decompress(packed)
        except zlib.error as error:
            raise PayloadError(
                f"A stored payload is damaged: {error}. Restore the payload store from a backup."
            ) from error
    if kind == SEALED:
        raise KeyMissing(read_header(packed)[0], known=())
    raise PayloadError(f"A stored payload has the unknown format {kind!r}. Upgrade Outlive to read it.")


class Wrapping(Protocol):
    """How chunks rest: their address, which is all that the store knows of them, and their form."""

    def addresses(self, digest: bytes) -> list[bytes]:
        """Return where a chunk may be: where it is stored now first, then where it was stored before."""
        ...

    def wrap(self, digest: bytes, content: bytes) -> tuple[bytes, bytes]:
        """Return where a chunk is stored, and what is: the same each time."""
        ...

    def unwrap(self, address: bytes, stored: bytes) -> bytes:
        """Return the content of what is stored at an address.

        Raises:
            PayloadError: If it is damaged.
            EncryptionError: If it cannot be decrypted.
        """
        ...

    def is_current(self, stored: bytes) -> bool:
        """Return whether what is stored is as `wrap` would make it; its beginning is enough."""
        ...

    def look_again(self) -> bool:
        """Look whether keys have changed, after a chunk was not found; returns whether they have."""
        ...


class _Clear:
    """Chunks rest compressed, at their digest."""

    def addresses(self, digest: bytes) -> list[bytes]:
        return [digest]

    def wrap(self, digest: bytes, content: bytes) -> tuple[bytes, bytes]:
        return digest, pack(content)

    def unwrap(self, address: bytes, stored: bytes) -> bytes:
        del address
        return unpack(stored)

    def is_current(self, stored: bytes) -> bool:
        return not stored.startswith(SEALED)

    def look_again(self) -> bool:
        return False


class _Encrypted:
    """Chunks rest compressed and encrypted, at a keyed digest of their digest.

    They are encrypted here, and not by whoever hands them over, so that equal chunks are still one. Those from before
    there was a key are read where they are.
    """

    def __init__(self, keys: Keyring) -> None:
        self._keys = keys

    def addresses(self, digest: bytes) -> list[bytes]:
        return [*self._keys.addresses(digest), digest]

    def wrap(self, digest: bytes, content: bytes) -> tuple[bytes, bytes]:
        address, sealed = self._keys.seal_chunk(pack(content), digest)
        return address, SEALED + sealed

    def unwrap(self, address: bytes, stored: bytes) -> bytes:
        if stored.startswith(SEALED):
            return unpack(self._keys.open_chunk(stored[1:], address))
        return unpack(stored)

    def is_current(self, stored: bytes) -> bool:
        return key_id_of(stored) == self._keys.current

    def look_again(self) -> bool:
        return self._keys.look_again()


CLEAR: Wrapping = _Clear()


def wrapping_of(keys: Keyring | None) -> Wrapping:
    """Return how chunks rest where a project has these keys, or none."""
    return CLEAR if keys is None else _Encrypted(keys)


def key_id_of(stored: bytes) -> str:
    """Return the id of the key that what is stored is encrypted under; empty where it is clear."""
    return read_header(stored[1:])[0] if stored.startswith(SEALED) else ""


def wanted_at(wrapping: Wrapping, digests: Iterable[bytes]) -> dict[bytes, bytes]:
    """Return by address which chunk it would be: every place where one of them may be."""
    return {address: digest for digest in digests for address in wrapping.addresses(digest)}


def checked(digest: bytes, content: bytes) -> bytes:
    """Return the content, if it is the one that the digest names.

    Raises:
        PayloadError: If it is another one.
    """
    if digest_of(content) != digest:
        raise PayloadError(f"The stored payload {digest.hex()!r} is damaged. Restore the payload store from a backup.")
    return content

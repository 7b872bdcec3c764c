"""How the content of a chunk rests in a store: one byte that says how, then the content."""

import zlib

from outlive.errors import PayloadError

RAW = b"\x00"
ZLIB = b"\x01"
SMALLEST_COMPRESSED = 100  # bytes; below it compressing never pays
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
    raise PayloadError(f"A stored payload has the unknown format {kind!r}. Upgrade Outlive to read it.")

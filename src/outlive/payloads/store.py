"""What a store of chunks promises, and which one a project uses."""

from collections.abc import Collection, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from outlive.payloads.packing import CLEAR, Wrapping
from outlive.settings import Settings

TOUCH_AFTER = timedelta(days=1)
"""A chunk that is written again counts as used anew once its last use is older: so seldom that it costs nothing, and
well within the shortest grace of two days."""


@dataclass(frozen=True, kw_only=True)
class StoreFacts:
    """What a store holds: how many chunks, and how many bytes they take as stored."""

    chunks: int
    stored_bytes: int


@dataclass(frozen=True, kw_only=True)
class Swept:
    """What a sweep removed, in chunks and in bytes as stored, and how many chunks stay."""

    kept: int
    removed: int
    removed_bytes: int


class ChunkStore(Protocol):
    """Chunks by the digest of their content. Used from the event loop that opened it."""

    @property
    def trouble(self) -> str | None:
        """Why the store cannot write now; None where nothing is known to be wrong."""
        ...

    async def put(self, chunks: Mapping[bytes, bytes]) -> None:
        """Store contents by digest; returns once they are durable. What is there already is marked as used.

        Raises:
            PayloadError: If they cannot be written.
        """
        ...

    async def get(self, digests: Collection[bytes]) -> dict[bytes, bytes]:
        """Return contents by digest.

        Raises:
            PayloadMissing: If any of them is not there.
            PayloadError: If the store cannot be read.
        """
        ...

    async def sweep(self, keep: AbstractSet[bytes], *, unused_since: datetime, dry_run: bool = False) -> Swept:
        """Remove every chunk that is not in ``keep`` and was last used before ``unused_since``.

        Args:
            dry_run: Remove nothing, and say what would have been.

        Raises:
            PayloadError: If the store cannot be read or written. Some of them may be removed by then.
        """
        ...

    async def rewrap(self) -> int:
        """Store every chunk anew that does not rest as new ones do, and return how many there were.

        Others may read and write meanwhile: a chunk is removed where it was only once it is where it is to be.

        Raises:
            EncryptionError: If a chunk cannot be decrypted. Some are stored anew by then.
            PayloadError: If the store cannot be read or written.
        """
        ...

    async def usage(self) -> dict[str, int] | None:
        """Count chunks by the id of the key that encrypts them, those that are clear under an empty id.

        None where counting would cost more than it tells.
        """
        ...

    async def facts(self) -> StoreFacts:
        """Count what the store holds."""
        ...

    async def aclose(self) -> None:
        """Let go of files and threads."""
        ...


def location_of(settings: Settings) -> str:
    """Return where a project's chunks are: a URL, or the path of a SQLite file in the state folder."""
    return settings.payloads or str((settings.home / "payloads.db").resolve())


async def open_store(location: str, wrapping: Wrapping = CLEAR) -> ChunkStore:
    """Open the store at a place that `location_of` gave.

    Args:
        wrapping: How chunks rest there.

    Raises:
        PayloadError: If it cannot be opened.
    """
    if "://" in location:
        from outlive.payloads.objects import ObjectChunks

        return ObjectChunks(location, wrapping)
    from outlive.payloads.sqlite import SqliteChunks

    return SqliteChunks(Path(location), wrapping)

"""Chunks in a SQLite file of the project."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from pathlib import Path

from sqlalchemy import Column, Connection, Integer, LargeBinary, MetaData, Table, delete, func, select
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DatabaseError

from outlive.errors import LedgerError, PayloadError, PayloadMissing
from outlive.ledger.database import open_sqlite
from outlive.ledger.writer import GroupCommit, Row
from outlive.payloads.packing import CLEAR, LONGEST_HEADER, Wrapping, checked, key_id_of, wanted_at
from outlive.payloads.store import TOUCH_AFTER, StoreFacts, Swept
from outlive.payloads.tree import digest_of

SCHEMA_VERSION = 1
REWRAPPED_AT_ONCE = 200  # chunks of up to 64 KB in one transaction
ASKED_AT_ONCE = 500  # digests in one statement; SQLite takes 32,766 variables
SWEPT_AT_ONCE = 1_000  # chunks in one transaction: writers wait some milliseconds for it, not seconds

metadata = MetaData()
chunks = Table(
    "chunks",
    metadata,
    Column("digest", LargeBinary, primary_key=True),  # … of the content; where it is encrypted, its keyed address
    Column("content", LargeBinary, nullable=False),
    Column("used_at", Integer, nullable=False, index=True, comment="seconds since 1970"),
)


class SqliteChunks:
    """A `ChunkStore` in one SQLite file: every commit is synced, and many writers share one."""

    def __init__(self, path: Path, wrapping: Wrapping = CLEAR) -> None:
        """Open the file, and create it where it does not exist. Needs a running event loop.

        Raises:
            PayloadError: If the file cannot be opened.
        """
        self._path = path
        self._wrapping = wrapping
        try:
            self._engine = open_sqlite(path, metadata, version=SCHEMA_VERSION, called="payload store")
        except LedgerError as error:
            raise PayloadError(str(error)) from error
        self._writer = GroupCommit(self._engine, [_write])

    @property
    def trouble(self) -> str | None:
        """See `ChunkStore`."""
        return self._writer.trouble

    async def put(self, contents: Mapping[bytes, bytes]) -> None:
        """See `ChunkStore`. Waits while the disk is full."""
        rows = await asyncio.to_thread(self._rows_to_write, contents)
        if not rows:
            return
        try:
            await asyncio.gather(*(self._writer.write(_write, row) for row in rows))
        except LedgerError as error:
            raise PayloadError(f"The payload store {str(self._path)!r} could not write: {error}") from error

    async def get(self, digests: Collection[bytes]) -> dict[bytes, bytes]:
        """See `ChunkStore`."""
        try:
            found = await asyncio.to_thread(self._read, digests)
            if len(found) < len(digests) and self._wrapping.look_again():
                found = await asyncio.to_thread(self._read, digests)
        except DatabaseError as error:
            raise PayloadError(f"The payload store {str(self._path)!r} cannot be read: {error.orig}.") from error
        if missing := [digest for digest in digests if digest not in found]:
            raise PayloadMissing(missing, str(self._path))
        return found

    async def sweep(self, keep: AbstractSet[bytes], *, unused_since: datetime, dry_run: bool = False) -> Swept:
        """See `ChunkStore`. Whether a chunk was used meanwhile is looked up in the transaction that removes it."""
        try:
            kept = await asyncio.to_thread(lambda: wanted_at(self._wrapping, keep).keys())
            return await asyncio.to_thread(self._sweep, kept, int(unused_since.timestamp()), dry_run)
        except DatabaseError as error:
            raise PayloadError(f"The payload store {str(self._path)!r} could not be swept: {error.orig}.") from error

    async def rewrap(self) -> int:
        """See `ChunkStore`. Some hundred chunks a transaction."""
        try:
            return await asyncio.to_thread(self._rewrap)
        except DatabaseError as error:
            raise PayloadError(f"The payload store {str(self._path)!r} refused: {error.orig}.") from error

    async def usage(self) -> dict[str, int]:
        """See `ChunkStore`. Reads the beginning of every chunk."""
        return await asyncio.to_thread(self._usage)

    async def facts(self) -> StoreFacts:
        """See `ChunkStore`."""
        return await asyncio.to_thread(self._facts)

    async def aclose(self) -> None:
        """See `ChunkStore`."""
        await self._writer.aclose()
        self._engine.dispose()

    def _rows_to_write(self, contents: Mapping[bytes, bytes]) -> list[Row]:
        """Return rows for what is missing or was not used for a day: the rest need not be compressed."""
        now = int(time.time())
        fresh: set[bytes] = set()
        places = {self._wrapping.addresses(digest)[0]: digest for digest in contents}
        with self._engine.connect() as connection:
            for some in _batches(places):
                recent = select(chunks.c.digest).where(
                    chunks.c.digest.in_(some), chunks.c.used_at > now - TOUCH_AFTER.total_seconds()
                )
                fresh.update(places[address] for address in connection.execute(recent).scalars())
        return [(*self._wrapping.wrap(digest, contents[digest]), now) for digest in contents if digest not in fresh]

    def _read(self, digests: Collection[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        with self._engine.connect() as connection:
            places = wanted_at(self._wrapping, digests)
            for some in _batches(places):
                asked = select(chunks.c.digest, chunks.c.content).where(chunks.c.digest.in_(some))
                for address, stored in connection.execute(asked):
                    digest = places[address]
                    found[digest] = checked(digest, self._wrapping.unwrap(address, stored))
        return found

    def _rewrap(self) -> int:
        last, count = b"", 0
        while True:
            page = select(chunks).where(chunks.c.digest > last).order_by(chunks.c.digest).limit(REWRAPPED_AT_ONCE)
            with self._engine.connect() as connection:
                rows = connection.execute(page).all()
            if not rows:
                return count
            last = rows[-1].digest
            old = [row for row in rows if not self._wrapping.is_current(row.content)]
            fresh: list[Row] = []
            for address, stored, used_at in old:
                content = self._wrapping.unwrap(address, stored)
                fresh.append((*self._wrapping.wrap(digest_of(content), content), used_at))
            if old:
                with self._engine.execution_options(outlive_writes=True).begin() as connection:
                    _write(connection, fresh)
                    connection.execute(delete(chunks).where(chunks.c.digest.in_([row.digest for row in old])))
            count += len(old)

    def _usage(self) -> dict[str, int]:
        with self._engine.connect() as connection:
            beginnings = connection.execute(select(func.substr(chunks.c.content, 1, LONGEST_HEADER)))
            return dict(Counter(key_id_of(bytes(beginning)) for beginning in beginnings.scalars()))

    def _sweep(self, keep: AbstractSet[bytes], cutoff: int, dry_run: bool) -> Swept:
        old = select(chunks.c.digest, func.length(chunks.c.content)).where(chunks.c.used_at < cutoff)
        with self._engine.connect() as connection:
            sizes = {digest: size for digest, size in connection.execute(old) if digest not in keep}
        if dry_run:
            return Swept(kept=self._facts().chunks - len(sizes), removed=len(sizes), removed_bytes=sum(sizes.values()))
        removed = removed_bytes = 0
        for some in _batches(sizes, SWEPT_AT_ONCE):
            still_old = delete(chunks).where(chunks.c.digest.in_(some), chunks.c.used_at < cutoff)
            with self._engine.execution_options(outlive_writes=True).begin() as connection:
                gone = connection.execute(still_old.returning(chunks.c.digest)).scalars().all()
            removed += len(gone)
            removed_bytes += sum(sizes[digest] for digest in gone)
        return Swept(kept=self._facts().chunks, removed=removed, removed_bytes=removed_bytes)

    def _facts(self) -> StoreFacts:
        with self._engine.connect() as connection:
            count, size = connection.execute(select(func.count(), func.sum(func.length(chunks.c.content)))).one()
        return StoreFacts(chunks=count, stored_bytes=size or 0)


def _write(connection: Connection, rows: Sequence[Row]) -> None:
    statement = insert(chunks)
    kept = statement.on_conflict_do_update(
        index_elements=[chunks.c.digest], set_={"used_at": func.max(chunks.c.used_at, statement.excluded.used_at)}
    )
    connection.execute(kept, [dict(zip(("digest", "content", "used_at"), row, strict=True)) for row in rows])


def _batches(digests: Iterable[bytes], size: int = ASKED_AT_ONCE) -> Iterator[list[bytes]]:
    remaining = iter(digests)
    while some := list(itertools.islice(remaining, size)):
        yield some

"""Chunks in an object store: S3, Google Cloud Storage, Azure, a folder."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime
from typing import TypeVar

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError, NotFoundError, NotSupportedError
from obstore.store import LocalStore, MemoryStore, ObjectStore, from_url

from outlive.errors import PayloadError, PayloadMissing
from outlive.payloads.packing import pack, unpack
from outlive.payloads.sqlite import checked
from outlive.payloads.store import TOUCH_AFTER, StoreFacts, Swept

T = TypeVar("T")

REQUESTS_AT_ONCE = 64
_MEMORY: dict[str, MemoryStore] = {}
"""Stores for tests, by URL: as shared within the process as a bucket is shared without."""


class ObjectChunks:
    """A `ChunkStore` with one object for each chunk; when an object was last written says when it was last used."""

    def __init__(self, url: str) -> None:
        """Open the store at a URL such as ``s3://bucket/prefix``.

        Raises:
            PayloadError: If the URL names no store.
        """
        self._url = url
        self._requests = asyncio.Semaphore(REQUESTS_AT_ONCE)
        try:
            self._store = _open(url)
        except (BaseError, OSError, ValueError) as error:
            raise PayloadError(
                f"The payload store {url!r} cannot be opened: {_why(error)}. Mend OUTLIVE_PAYLOADS."
            ) from error

    @property
    def trouble(self) -> str | None:
        """See `ChunkStore`; a store that fails says so at the call."""
        return None

    async def put(self, chunks: Mapping[bytes, bytes]) -> None:
        """See `ChunkStore`."""
        packed = await asyncio.to_thread(lambda: {digest: pack(content) for digest, content in chunks.items()})
        await asyncio.gather(*(self._ask(lambda d=d, p=p: self._put(d, p)) for d, p in packed.items()))  # type: ignore[misc]

    async def get(self, digests: Collection[bytes]) -> dict[bytes, bytes]:
        """See `ChunkStore`."""
        stored = await asyncio.gather(*(self._ask(lambda d=d: self._get(d)) for d in digests))  # type: ignore[misc]
        found = dict(zip(digests, stored, strict=True))
        if missing := [digest for digest, content in found.items() if content is None]:
            raise PayloadMissing(missing, self._url)
        return {digest: checked(digest, unpack(content)) for digest, content in found.items() if content is not None}

    async def sweep(self, keep: AbstractSet[bytes], *, unused_since: datetime, dry_run: bool = False) -> Swept:
        """See `ChunkStore`. An object that is written anew in the instant of its removal would be lost.

        Each object's time is looked up again right before: the instant is the length of one request, at the end of
        days without use.
        """
        kept = removed = removed_bytes = 0
        try:
            async for page in obstore.list(self._store, chunk_size=1_000):
                paths = [
                    (item["path"], item["size"])
                    for item in page
                    if item["last_modified"] < unused_since and _digest_at(item["path"]) not in keep
                ]
                gone = await asyncio.gather(*(self._remove(path, unused_since, dry_run) for path, _ in paths))
                removed += sum(gone)
                removed_bytes += sum(size for (_, size), is_gone in zip(paths, gone, strict=True) if is_gone)
                kept += len(page) - sum(gone)
        except BaseError as error:
            raise PayloadError(f"The payload store {self._url!r} could not be swept: {_why(error)}.") from error
        return Swept(kept=kept, removed=removed, removed_bytes=removed_bytes)

    async def facts(self) -> StoreFacts:
        """See `ChunkStore`. Lists the whole store."""
        sizes = [item["size"] async for page in obstore.list(self._store, chunk_size=1_000) for item in page]
        return StoreFacts(chunks=len(sizes), stored_bytes=sum(sizes))

    async def aclose(self) -> None:
        """See `ChunkStore`; there is nothing to let go."""

    async def _put(self, digest: bytes, packed: bytes) -> None:
        path = _path_of(digest)
        try:
            await obstore.put_async(self._store, path, packed, mode="create")
        except AlreadyExistsError:
            found = await obstore.head_async(self._store, path)
            if datetime.now(UTC) - found["last_modified"] > TOUCH_AFTER:
                await obstore.put_async(self._store, path, packed)
        except (NotSupportedError, NotImplementedError):  # a store without conditional writes
            await obstore.put_async(self._store, path, packed)

    async def _get(self, digest: bytes) -> bytes | None:
        try:
            answer = await obstore.get_async(self._store, _path_of(digest))
            return bytes(await answer.bytes_async())
        except (NotFoundError, FileNotFoundError):
            return None

    async def _remove(self, path: str, unused_since: datetime, dry_run: bool) -> bool:
        async with self._requests:
            try:
                found = await obstore.head_async(self._store, path)
            except (NotFoundError, FileNotFoundError):  # another collection was quicker
                return False
            if found["last_modified"] >= unused_since:
                return False
            if not dry_run:
                await obstore.delete_async(self._store, path)
            return True

    async def _ask(self, request: Callable[[], Awaitable[T]]) -> T:
        async with self._requests:
            try:
                return await request()
            except (BaseError, OSError) as error:
                raise PayloadError(f"The payload store {self._url!r} does not answer: {_why(error)}.") from error


def _open(url: str) -> ObjectStore:
    if url.startswith("memory://"):
        return _MEMORY.setdefault(url, MemoryStore())
    if url.startswith("file://"):
        return LocalStore.from_url(url, mkdir=True)
    return from_url(url)


def _why(error: Exception) -> str:
    """Return what the store said, without the listing of its internals that follows."""
    return str(error).partition("\n")[0].rstrip(".")


def _path_of(digest: bytes) -> str:
    name = digest.hex()
    return f"{name[:2]}/{name}"


def _digest_at(path: str) -> bytes:
    try:
        return bytes.fromhex(path.rpartition("/")[2])
    except ValueError as error:
        raise PayloadError(
            f"The payload store holds {path!r}, which Outlive has not written. Give it a bucket or prefix of its own."
        ) from error

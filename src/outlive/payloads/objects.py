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
from outlive.payloads.packing import CLEAR, LONGEST_HEADER, Wrapping, checked, wanted_at
from outlive.payloads.store import TOUCH_AFTER, StoreFacts, Swept
from outlive.payloads.tree import digest_of

T = TypeVar("T")

REQUESTS_AT_ONCE = 64
_MEMORY: dict[str, MemoryStore] = {}
"""Stores for tests, by URL: as shared within the process as a bucket is shared without."""


class ObjectChunks:
    """A `ChunkStore` with one object for each chunk; when an object was last written says when it was last used."""

    def __init__(self, url: str, wrapping: Wrapping = CLEAR) -> None:
        """Open the store at a URL such as ``s3://bucket/prefix``.

        Raises:
            PayloadError: If the URL names no store.
        """
        self._url = url
        self._wrapping = wrapping
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
        packed = await asyncio.to_thread(lambda: dict(self._wrapping.wrap(*chunk) for chunk in chunks.items()))
        await asyncio.gather(*(self._ask(lambda d=d, p=p: self._put(d, p)) for d, p in packed.items()))  # type: ignore[misc]

    async def get(self, digests: Collection[bytes]) -> dict[bytes, bytes]:
        """See `ChunkStore`."""
        found = await asyncio.gather(*(self._find(digest) for digest in digests))
        if None in found and self._wrapping.look_again():
            found = await asyncio.gather(*(self._find(digest) for digest in digests))
        contents = {digest: content for digest, content in zip(digests, found, strict=True) if content is not None}
        if missing := [digest for digest in digests if digest not in contents]:
            raise PayloadMissing(missing, self._url)
        return contents

    async def sweep(self, keep: AbstractSet[bytes], *, unused_since: datetime, dry_run: bool = False) -> Swept:
        """See `ChunkStore`. An object that is written anew in the instant of its removal would be lost.

        Each object's time is looked up again right before: the instant is the length of one request, at the end of
        days without use.
        """
        kept = removed = removed_bytes = 0
        kept_at = await asyncio.to_thread(lambda: wanted_at(self._wrapping, keep).keys())
        try:
            async for page in obstore.list(self._store, chunk_size=1_000):
                paths = [
                    (item["path"], item["size"])
                    for item in page
                    if item["last_modified"] < unused_since and _address_at(item["path"]) not in kept_at
                ]
                gone = await asyncio.gather(*(self._remove(path, unused_since, dry_run) for path, _ in paths))
                removed += sum(gone)
                removed_bytes += sum(size for (_, size), is_gone in zip(paths, gone, strict=True) if is_gone)
                kept += len(page) - sum(gone)
        except BaseError as error:
            raise PayloadError(f"The payload store {self._url!r} could not be swept: {_why(error)}.") from error
        return Swept(kept=kept, removed=removed, removed_bytes=removed_bytes)

    async def rewrap(self) -> int:
        """See `ChunkStore`. One request for the beginning of each object, and three for each that is stored anew."""
        count = 0
        try:
            async for page in obstore.list(self._store, chunk_size=1_000):
                count += sum(await asyncio.gather(*(self._rewrapped(item["path"]) for item in page)))
        except (BaseError, OSError) as error:
            raise PayloadError(f"The payload store {self._url!r} does not answer: {_why(error)}.") from error
        return count

    async def usage(self) -> dict[str, int] | None:
        """See `ChunkStore`. It would take a request for each object."""
        return None

    async def facts(self) -> StoreFacts:
        """See `ChunkStore`. Lists the whole store."""
        sizes = [item["size"] async for page in obstore.list(self._store, chunk_size=1_000) for item in page]
        return StoreFacts(chunks=len(sizes), stored_bytes=sum(sizes))

    async def aclose(self) -> None:
        """See `ChunkStore`; there is nothing to let go."""

    async def _find(self, digest: bytes) -> bytes | None:
        for address in self._wrapping.addresses(digest):
            stored = await self._ask(lambda address=address: self._get(address))  # type: ignore[misc]
            if stored is not None:
                return checked(digest, self._wrapping.unwrap(address, stored))
        return None

    async def _rewrapped(self, path: str) -> bool:
        address = _address_at(path)
        async with self._requests:
            found = await obstore.head_async(self._store, path)
            length = min(LONGEST_HEADER, found["size"])
            beginning = await obstore.get_range_async(self._store, path, start=0, length=length) if length else b""
            if self._wrapping.is_current(bytes(beginning)):
                return False
            stored = await self._get(address)
            if stored is None:  # removed meanwhile
                return False
            content = self._wrapping.unwrap(address, stored)
            where, fresh = self._wrapping.wrap(digest_of(content), content)
            await obstore.put_async(self._store, _path_of(where), fresh)
            if where != address:
                await obstore.delete_async(self._store, path)
            return True

    async def _put(self, address: bytes, packed: bytes) -> None:
        path = _path_of(address)
        try:
            await obstore.put_async(self._store, path, packed, mode="create")
        except AlreadyExistsError:
            found = await obstore.head_async(self._store, path)
            if datetime.now(UTC) - found["last_modified"] > TOUCH_AFTER:
                await obstore.put_async(self._store, path, packed)
        except (NotSupportedError, NotImplementedError):  # a store without conditional writes
            await obstore.put_async(self._store, path, packed)

    async def _get(self, address: bytes) -> bytes | None:
        try:
            answer = await obstore.get_async(self._store, _path_of(address))
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


def _path_of(address: bytes) -> str:
    name = address.hex()
    return f"{name[:2]}/{name}"


def _address_at(path: str) -> bytes:
    try:
        return bytes.fromhex(path.rpartition("/")[2])
    except ValueError as error:
        raise PayloadError(
            f"The payload store holds {path!r}, which Outlive has not written. Give it a bucket or prefix of its own."
        ) from error

"""One project's chunks as this process sees them: kept apart until stored, fetched once, used from any event loop.

The store lives on an event loop and thread of its own. Workflow code, which runs in threads, hands chunks over without
waiting (`Vault.add`); the payload codec then waits until they are stored (`Vault.flush`) before anything is sent that
refers to them.
"""

import asyncio
import concurrent.futures
import contextlib
import logging
import threading
import weakref
from collections.abc import Awaitable, Callable, Collection, Coroutine, Iterable, Mapping
from functools import partial
from typing import Any, TypeVar

from outlive.encryption.keyring import Keyring, keyring_of
from outlive.errors import PayloadError
from outlive.payloads.cache import BoundedCache, KnownDigests
from outlive.payloads.packing import Wrapping, wrapping_of
from outlive.payloads.store import ChunkStore, location_of, open_store
from outlive.payloads.tree import Expanded, Reference, cut, digest_of, expand, refer
from outlive.settings import Settings

logger = logging.getLogger(__name__)

T = TypeVar("T")

CACHE_BYTES = 64_000_000
CHUNK_SIZE = 65_536
"""Bytes of a part of a large content: small enough to be read and compressed in no time, large enough to be few."""
STORE_PATIENCE = 60.0
"""Seconds for which a store that cannot write is waited for before the caller hears of it: a disk that is full for a
moment then costs no activity its result."""


class Vault:
    """Stores and loads chunks; remembers what it has seen.

    A chunk that was added stays with the process until it is stored: a failing store loses nothing.
    """

    def __init__(self, location: str, *, keys: Keyring | None = None) -> None:
        """Opens the store at a place that `location_of` gave, once it is needed.

        Chunks rest encrypted, where there are keys.
        """
        self.location = location
        self._thread = _StoreThread(location, wrapping_of(keys))
        self._known = KnownDigests()
        self._contents: BoundedCache[bytes, bytes] = BoundedCache(CACHE_BYTES)
        self._lock = threading.RLock()  # a write that is done at once calls back under it
        self._pending: dict[bytes, bytes] = {}
        self._flights: dict[bytes, concurrent.futures.Future[None]] = {}
        weakref.finalize(self, self._thread.stop).atexit = False  # what was promised is on disk

    def holds(self, digest: bytes) -> bool:
        """Return whether a chunk is stored, or on its way; may be called from any thread."""
        return not self.lacking((digest,))

    def lacking(self, digests: Iterable[bytes]) -> list[bytes]:
        """Return those of the chunks that are neither stored nor on their way; may be called from any thread."""
        return [digest for digest in self._known.unknown(digests) if digest not in self._pending]

    def add(self, digest: bytes, content: bytes) -> None:
        """Take a chunk that the next `flush` is to store; may be called from any thread."""
        self._contents.put(digest, content, len(content))
        with self._lock:
            self._pending[digest] = content

    async def flush(self) -> None:
        """Return once every chunk that was added is stored.

        Raises:
            PayloadError: If one cannot be stored within `STORE_PATIENCE`; the next call tries again.
        """
        if not (flights := self._flights_of_pending()):
            return
        # asyncio.wait leaves the flights alone when its caller is cancelled: others wait for them too.
        done, late = await asyncio.wait([asyncio.wrap_future(flight) for flight in flights], timeout=STORE_PATIENCE)
        for finished in done:
            finished.result()
        if late:
            why = f": {self._thread.trouble}" if self._thread.trouble else ""
            raise PayloadError(
                f"The payload store {self.location!r} could not write within {STORE_PATIENCE:.0f} s{why}. "
                "Nothing is lost; make room or mend it, and the work goes on."
            )

    def _flights_of_pending(self) -> set[concurrent.futures.Future[None]]:
        """Return the writes under way for what is pending, and begin one for what none carries yet."""
        with self._lock:
            fresh = {digest: chunk for digest, chunk in self._pending.items() if digest not in self._flights}
            carried = {self._flights[digest] for digest in self._pending if digest in self._flights}
            if not fresh:
                return carried
            flight = self._thread.submit(partial(_put, chunks=fresh))
            self._flights.update(dict.fromkeys(fresh, flight))
            flight.add_done_callback(partial(self._landed, fresh))
            return {*carried, flight}

    def _landed(self, chunks: Mapping[bytes, bytes], flight: concurrent.futures.Future[None]) -> None:
        is_stored = not flight.cancelled() and flight.exception() is None
        with self._lock:
            for digest in chunks:
                self._flights.pop(digest, None)
                if is_stored:
                    self._known.add(digest)
                    self._pending.pop(digest, None)

    async def put_content(self, content: bytes) -> Reference:
        """Cut a content of any size into chunks and store them; returns once it is durable."""
        leaves = []
        for part in cut(content, CHUNK_SIZE):
            digest = digest_of(part)
            leaves.append(digest)
            if not self.holds(digest):
                self.add(digest, part)
        reference = self.add_sequence(leaves)
        await self.flush()
        return reference

    def add_sequence(self, leaves: list[bytes]) -> Reference:
        """Return the reference to a sequence of leaves; its groups are added where they are not known."""
        reference, groups = refer(leaves)
        for digest in self.lacking(groups):
            self.add(digest, groups[digest])
        return reference

    async def load(self, digests: Collection[bytes]) -> dict[bytes, bytes]:
        """Return contents by digest.

        Raises:
            PayloadMissing: If any is not there.
            PayloadError: If the store cannot be read.
        """
        found = self._contents.get_all(digests)
        found.update((digest, pending[digest]) for digest in digests if digest in (pending := self._pending))
        if missing := [digest for digest in digests if digest not in found]:
            fetched = await self.ask(lambda store: store.get(missing))
            for digest, content in fetched.items():
                self._contents.put(digest, content, len(content))
            found.update(fetched)
        return found

    async def load_content(self, reference: Reference) -> bytes:
        """Return what `put_content` stored."""
        leaves = (await self.open(reference)).leaves
        parts = await self.load(dict.fromkeys(leaves))
        return b"".join(parts[digest] for digest in leaves)

    async def open(self, reference: Reference) -> Expanded:
        """Return the leaves of a sequence."""
        return await expand(reference, self.load)

    async def ask(self, question: Callable[[ChunkStore], Awaitable[T]]) -> T:
        """Let the store do something, on its own event loop."""
        return await asyncio.wrap_future(self._thread.submit(question))

    def run_now(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Run a coroutine function on the store's event loop, and block until it is done."""
        return self._thread.submit(lambda _: work()).result()


async def _put(store: ChunkStore, chunks: Mapping[bytes, bytes]) -> None:
    await store.put(chunks)


class _StoreThread:
    """A thread with an event loop, and the store that lives there; both come with the first need."""

    def __init__(self, location: str, wrapping: Wrapping) -> None:
        self._location = location
        self._wrapping = wrapping
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._opening: asyncio.Future[ChunkStore] | None = None
        self._store: ChunkStore | None = None

    @property
    def trouble(self) -> str | None:
        return self._store.trouble if self._store is not None else None

    def submit(self, question: Callable[[ChunkStore], Awaitable[T]]) -> concurrent.futures.Future[T]:
        with self._lock:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                threading.Thread(target=self._run, args=(self._loop,), name="outlive-payloads", daemon=True).start()
            return asyncio.run_coroutine_threadsafe(self._answer(question), self._loop)

    def stop(self) -> None:
        """End the thread; for when nobody asks any more."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)

    async def _answer(self, question: Callable[[ChunkStore], Awaitable[T]]) -> T:
        if self._opening is None:
            self._opening = asyncio.ensure_future(open_store(self._location, self._wrapping))
        opening = self._opening
        try:
            self._store = await asyncio.shield(opening)
        except PayloadError:
            if self._opening is opening:
                self._opening = None  # the next one tries again
            raise
        return await question(self._store)

    def _run(self, loop: asyncio.AbstractEventLoop) -> None:
        asyncio.set_event_loop(loop)
        loop.run_forever()
        with contextlib.suppress(RuntimeError):  # the interpreter ends, and takes no more work
            if self._store is not None:
                loop.run_until_complete(self._store.aclose())
            loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


_VAULTS: "weakref.WeakValueDictionary[tuple[str, Keyring | None], Vault]" = weakref.WeakValueDictionary()


def vault_of(settings: Settings) -> Vault:
    """Return the vault of a project: one for each place in a process, for as long as somebody holds it."""
    place = location_of(settings), keyring_of(settings)
    vault = _VAULTS.get(place)
    if vault is None:
        vault = _VAULTS[place] = Vault(place[0], keys=place[1])
    return vault

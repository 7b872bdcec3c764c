"""Reading the event log: a page of a stream, or the stream as it grows."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from outlive.contracts.events import RunEvent
from outlive.encryption.keyring import Keyring
from outlive.errors import LedgerError
from outlive.ledger.dialects import is_postgres
from outlive.ledger.outages import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    PATIENCE_SECONDS,
    is_passing,
    reason_of,
)
from outlive.streams.following import Poller, Sight
from outlive.streams.reading import CommitWatch, Page, last_events, next_offsets, prune, read_page
from outlive.streams.schema import name_of, open_streams

EVENTS_PER_PAGE = 500
THREADS = 2  # one looks for news while the other reads

T = TypeVar("T")


class StreamLog:
    """The event log for its readers: any number of processes, each with any number of followers.

    Making one touches nothing. A file need not exist yet: it is opened once a writer has made it. A server that cannot
    be reached is tried again for some seconds.
    """

    def __init__(self, where: Path | str, *, keys: Keyring | None = None) -> None:
        self._where = where
        self._keys = keys
        self._engine: Engine | None = None
        self._watch: CommitWatch | None = None
        self._poller = Poller(self._look)
        self._threads: ThreadPoolExecutor | None = None
        self._opening = threading.RLock()

    async def __aenter__(self) -> Self:
        """Do nothing yet: the file is opened when it is first read."""
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the log. Reading again opens it again."""
        await self._poller.aclose()
        if self._threads is not None:
            threads, self._threads = self._threads, None
            await asyncio.to_thread(threads.shutdown)  # a look that nobody waits for any more still has a connection
            await asyncio.to_thread(self._close)

    async def read(self, stream: str, from_: int = 0, limit: int = 1000) -> list[RunEvent]:
        """Return up to ``limit`` events of a stream from an offset on; none where it has none (yet).

        Raises:
            LedgerError: If the file cannot be read.
        """
        return (await self._call(self._page, stream, from_, limit)).events

    async def last_offset(self, stream: str) -> int | None:
        """Return the offset of the last event of a stream, or None where it has no event (yet).

        Raises:
            LedgerError: If the file cannot be read.
        """
        page = await self._call(self._page, stream, 0, 0)
        return page.next_offset - 1 if page.next_offset else None

    async def follow(
        self, stream: str, from_: int = 0, until: "asyncio.Future[Any] | None" = None
    ) -> AsyncIterator[RunEvent]:
        """Yield the events of a stream from an offset on, and further ones as they come, each once and in order.

        The stream need not have begun, and its writers may die and come again. A reader that goes on after its own
        death passes the last offset that it saw, plus 1.

        A stream that was pruned and has begun again is shorter than ``from_``: it is yielded from 0.

        Args:
            until: Once it is done, what there is by then is still yielded, and no more is waited for. None ends where
                the last event of the stream is the end of the run.

        Raises:
            LedgerError: If the file cannot be read.
        """
        with self._poller.following(stream, from_) as follower:
            if until is not None:
                until.add_done_callback(follower.wake)
            try:
                while True:
                    follower.has_read()
                    is_last_look = until is not None and until.done()
                    page = await self._call(self._page, stream, follower.position, EVENTS_PER_PAGE)
                    for event in page.events:
                        follower.position = event.offset + 1
                        yield event
                    if 0 < page.next_offset < follower.position:
                        follower.position = 0
                    elif follower.position >= page.next_offset:
                        if is_last_look or (until is None and page.has_ended):
                            return
                        await follower.news()
            finally:
                if until is not None:
                    until.remove_done_callback(follower.wake)

    async def last_events(self) -> dict[str, float]:
        """Return when the last event of each stream happened, in seconds since the epoch.

        Raises:
            LedgerError: If the file cannot be read.
        """
        return await self._call(self._last_events)

    async def prune(self, streams: Sequence[str], before: float) -> int:
        """Remove those of the streams whose last event is older than a time, and return how many.

        The offsets of a stream never restart while it is there. One that was removed and begins again counts from 0.

        Args:
            before: Seconds since the epoch.

        Raises:
            LedgerError: If the file cannot be written.
        """
        return await self._call(self._prune, streams, before)

    async def _look(self, names: frozenset[str], last: Sight | None) -> Sight | None:
        return await self._call(self._watched, names, last)

    async def _call(self, read: Callable[..., T], *arguments: Any) -> T:
        if self._threads is None:
            self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="streams")
        give_up_at, pause = time.monotonic() + PATIENCE_SECONDS, FIRST_PAUSE_SECONDS
        while True:
            try:
                return await asyncio.get_running_loop().run_in_executor(self._threads, read, *arguments)
            except DBAPIError as error:
                if not is_passing(error) or time.monotonic() + pause > give_up_at:
                    refused = f"The event log {name_of(self._where)!r} refused: {reason_of(error)}."
                    raise LedgerError(refused) from error
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _opened(self) -> Engine | None:
        with self._opening:
            if self._engine is None and (isinstance(self._where, str) or self._where.exists()):
                self._engine = open_streams(self._where, self._keys)
            return self._engine

    def _page(self, stream: str, first: int, limit: int) -> Page:
        engine = self._opened()
        return Page(events=[]) if engine is None else read_page(engine, stream, first, limit)

    def _watched(self, names: frozenset[str], last: Sight | None) -> Sight | None:
        engine = self._opened()
        if engine is None:
            return None
        if is_postgres(engine):
            with engine.begin() as connection:
                return Sight(offsets=next_offsets(connection, names), names=names)
        with self._opening:
            if self._watch is None:
                self._watch = CommitWatch(engine)
            watch = self._watch
        return watch.look(names, last)

    def _last_events(self) -> dict[str, float]:
        engine = self._opened()
        return {} if engine is None else last_events(engine)

    def _prune(self, names: Sequence[str], before: float) -> int:
        engine = self._opened()
        return 0 if engine is None else prune(engine, names, before)

    def _close(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

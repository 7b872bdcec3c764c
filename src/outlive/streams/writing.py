"""Writing into the event log: never in the way of the work, one transaction for all that has come together."""

import asyncio
import contextlib
import logging
import threading
import time
from functools import partial
from pathlib import Path
from typing import Self

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from outlive.contracts.events import NewEvent
from outlive.encryption.keyring import Keyring
from outlive.errors import LedgerError
from outlive.ledger.outages import is_of_the_database, reason_of
from outlive.streams.pending import LARGEST_QUEUE, PendingEvent, PendingEvents
from outlive.streams.schema import name_of, open_streams
from outlive.streams.storing import store

logger = logging.getLogger(__name__)

Waiting = tuple[asyncio.AbstractEventLoop, "asyncio.Future[bool]"]

FLUSH_SECONDS = 0.05
"""Shortest time between two commits of one writer: no reader sees the difference, and 20 tokens make one row."""
FIRST_RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 5.0


class StreamWriter:
    """Writes events of runs; any number of processes may write into one log, also into one stream.

    ``async with StreamWriter(where) as writer`` opens it, and on leaving writes what is queued.

    A disk that is full, or a server that cannot be reached, does not stop the work: events wait in memory, and beyond
    `LARGEST_QUEUE` the oldest deltas are dropped, with one warning in the log; the next event of the stream says how
    many (``missed``). A server that is lost in the very moment of a commit may get its events twice.

    Attributes:
        dropped: How many events were dropped so far.
        trouble: Why nothing can be written at the moment, or None.
    """

    def __init__(self, where: Path | str, *, largest_queue: int = LARGEST_QUEUE, keys: Keyring | None = None) -> None:
        self._where = where
        self._keys = keys
        self.dropped = 0
        self.trouble: str | None = None
        self._pending = PendingEvents(largest_queue)
        self._waiting: list[Waiting] = []
        self._state = threading.Condition()
        self._is_closing = False
        self._thread: threading.Thread | None = None

    async def __aenter__(self) -> Self:
        """Open the log, creating it where it does not exist; a file with mode 0600.

        Raises:
            LedgerError: If it cannot be opened.
        """
        engine = await asyncio.to_thread(open_streams, self._where, self._keys)
        self._thread = threading.Thread(target=self._run, args=(engine,), name="outlive-streams", daemon=True)
        self._thread.start()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.aclose()

    def append(self, event: NewEvent) -> None:
        """Queue one event; from any thread, and never waiting.

        Deltas of one call that come within `FLUSH_SECONDS` become one event. Data that is larger than 64 KiB is
        shortened, and marked with ``"cut": true``.

        Raises:
            LedgerError: If the writer is not open.
        """
        now = time.time()
        with self._state:
            self._require_open()
            was_empty = not len(self._pending)
            dropped = self._pending.add(event, now)
            if was_empty:
                self._state.notify()
        if dropped:
            self._report_dropped(dropped, self.trouble)

    async def flush(self) -> bool:
        """Return once all that was appended before is committed.

        Returns:
            False where it could not be written just now (a full disk): it is tried again, and nobody need wait.

        Raises:
            LedgerError: If the writer is not open.
        """
        loop = asyncio.get_running_loop()
        done: asyncio.Future[bool] = loop.create_future()
        with self._state:
            self._require_open()
            if self.trouble is not None:
                return False
            self._waiting.append((loop, done))
            self._state.notify()
        return await done

    async def aclose(self) -> None:
        """Write what is queued, then stop. What cannot be written now is dropped. Closing twice is allowed."""
        with self._state:
            self._is_closing = True
            self._state.notify()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _require_open(self) -> None:
        if self._thread is None or self._is_closing:
            raise LedgerError(f"The event log {name_of(self._where)!r} is not open for writing.")

    def _run(self, engine: Engine) -> None:
        committed_at = 0.0
        try:
            while (group := self._next_group(committed_at)) is not None:
                events, waiting = group
                if events:
                    waiting = self._commit(engine, events, waiting)
                    committed_at = time.monotonic()
                _settle(waiting, is_written=True)
        finally:
            engine.dispose()

    def _next_group(self, committed_at: float) -> tuple[list[PendingEvent], list[Waiting]] | None:
        """Wait for events, then for more of them; return them and who waits for them, or None once closed and empty."""
        with self._state:
            self._state.wait_for(lambda: len(self._pending) or self._is_hurried())
            linger = committed_at + FLUSH_SECONDS - time.monotonic()
            if linger > 0:
                self._state.wait_for(self._is_hurried, linger)
            if self._is_closing and not len(self._pending) and not self._waiting:
                return None
            return self._pending.take(), self._take_waiting()

    def _is_hurried(self) -> bool:
        return bool(self._waiting) or self._is_closing

    def _take_waiting(self) -> list[Waiting]:
        taken, self._waiting = self._waiting, []
        return taken

    def _commit(self, engine: Engine, events: list[PendingEvent], waiting: list[Waiting]) -> list[Waiting]:
        """Write events, trying again for as long as it takes or until closed; returns who still waits for them."""
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                store(engine, events)
            except Exception as error:  # noqa: BLE001 - the edge of the thread
                if not (isinstance(error, DBAPIError) and is_of_the_database(error)):  # an event that none takes
                    self._drop_unwritable(engine, events, error)
                    return waiting
                _settle([*waiting, *self._note_trouble(reason_of(error))], is_written=False)
                waiting = []
                with self._state:
                    if self._is_closing or self._state.wait_for(lambda: self._is_closing, pause):
                        self._report_dropped(len(events), self.trouble)
                        return []
                pause = min(pause * 2, LONGEST_RETRY_SECONDS)
            else:
                self.trouble = None
                return waiting

    def _note_trouble(self, reason: str) -> list[Waiting]:
        with self._state:
            if self.trouble != reason:
                logger.warning("The event log could not be written and is tried again", extra={"reason": reason})
            self.trouble = reason
            return self._take_waiting()

    def _drop_unwritable(self, engine: Engine, events: list[PendingEvent], error: Exception) -> None:
        """Drop the one event that cannot be written; where there are more, find out which one it is."""
        if len(events) > 1:
            for event in events:
                self._commit(engine, [event], [])
        else:
            self._report_dropped(1, str(error))

    def _report_dropped(self, count: int, reason: str | None) -> None:
        with self._state:
            is_first = self.dropped == 0
            self.dropped += count
        if is_first:
            logger.warning("Events of runs were dropped: they could not be written", extra={"reason": reason})


def _settle(waiting: list[Waiting], *, is_written: bool) -> None:
    for loop, done in waiting:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(partial(_answer, done, is_written))


def _answer(done: "asyncio.Future[bool]", is_written: bool) -> None:
    if not done.done():
        done.set_result(is_written)

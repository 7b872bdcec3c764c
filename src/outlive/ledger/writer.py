"""Group commit: many small writes of one process, one synced transaction for all that have come together."""

import asyncio
import contextlib
import logging
import queue
import threading
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from functools import partial

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from outlive.errors import LedgerError
from outlive.ledger.outages import is_of_the_database, reason_of

logger = logging.getLogger(__name__)

LINGER_SECONDS = 0.003
"""How long the first write of a group waits for company: far less than a model call, and many fewer syncs."""
FIRST_RETRY_SECONDS = 0.2
LONGEST_RETRY_SECONDS = 5.0

Row = tuple[object, ...]
Statement = Callable[[Connection, list[Row]], Collection[Row] | None]
"""Writes rows of one kind in the open transaction; returns those that are not to be written, where there are any."""

Queued = tuple[int, Row, "asyncio.Future[bool]"]
"""Kind and row, and what its writer waits for."""


class GroupCommit:
    """Writes rows in the order of their kinds, and tells each caller once its rows are on disk.

    A full disk, a locked file or a server that does not answer is waited out: nothing that was accepted is dropped,
    callers wait.
    """

    def __init__(self, engine: Engine, statements: Sequence[Statement]) -> None:
        """Statements are run in the order given, each with all the rows of its kind."""
        self._engine = engine.execution_options(outlive_writes=True)
        self._statements = list(statements)
        self._kinds = {statement: number for number, statement in enumerate(self._statements)}
        self._queue: queue.SimpleQueue[Queued | None] = queue.SimpleQueue()
        self._closing = threading.Event()
        self._loop = asyncio.get_running_loop()
        self.trouble: str | None = None
        self._untroubled = asyncio.Event()
        self._untroubled.set()
        self._thread = threading.Thread(target=self._run, name="outlive-ledger", daemon=True)
        self._thread.start()

    def write(self, statement: Statement, row: Row) -> "asyncio.Future[bool]":
        """Queue one row; the future is done once it is committed and synced, and False where it was not to be written.

        Raises:
            LedgerError: In the future, if the ledger is closed before the row could be written.
        """
        done: asyncio.Future[bool] = self._loop.create_future()
        self._queue.put((self._kinds[statement], row, done))
        return done

    async def untroubled(self) -> None:
        """Return once the last group could be written, or the writer closes."""
        await self._untroubled.wait()

    async def aclose(self) -> None:
        """Write what is queued, then stop. Rows that cannot be written now fail with `LedgerError`."""
        self._closing.set()
        self._untroubled.set()
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while (group := self._next_group()) is not None:
            if group:
                self._commit(group)

    def _next_group(self) -> list[Queued] | None:
        first = self._queue.get()
        if first is None:
            return None
        self._closing.wait(LINGER_SECONDS)
        group = [first]
        while True:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return group
            if item is None:
                self._queue.put(None)  # seen again once this group is written
                return group
            group.append(item)

    def _commit(self, group: list[Queued]) -> None:
        pause = FIRST_RETRY_SECONDS
        while True:
            try:
                refused = self._write_together(group)
            except Exception as error:  # noqa: BLE001 - the edge of the thread: a row that no database takes, such as broken text
                if not isinstance(error, DBAPIError) or not is_of_the_database(error):
                    self._refuse(group, error)
                    return
                if self._closing.is_set():
                    why = f"The ledger was closed while it could not write: {reason_of(error)}."
                    self._fail(group, LedgerError(why))
                    return
                self._report_trouble(reason_of(error))
                self._closing.wait(pause)
                pause = min(pause * 2, LONGEST_RETRY_SECONDS)
            else:
                if self.trouble is not None:
                    self.trouble = None
                    self._tell(self._untroubled.set)
                self._tell(partial(_settle, group, refused))
                return

    def _write_together(self, group: list[Queued]) -> set[tuple[int, Row]]:
        by_kind: dict[int, list[Row]] = defaultdict(list)
        refused: set[tuple[int, Row]] = set()
        for kind, row, _ in group:
            by_kind[kind].append(row)
        with self._engine.begin() as connection:
            for kind in sorted(by_kind):
                refused.update((kind, row) for row in self._statements[kind](connection, by_kind[kind]) or ())
        return refused

    def _refuse(self, group: list[Queued], error: Exception) -> None:
        """Fail the one row that cannot be written; where there are more, find out which one it is."""
        if len(group) > 1:
            for item in group:
                self._commit([item])
            return
        self._fail(group, LedgerError(f"The ledger cannot hold a row: {error}"))

    def _report_trouble(self, reason: str) -> None:
        if self.trouble != reason:
            logger.warning("The ledger could not write and tries again", extra={"reason": reason})
        self.trouble = reason
        self._tell(self._untroubled.clear)

    def _fail(self, group: list[Queued], error: LedgerError) -> None:
        self._tell(partial(_fail_all, group, error))

    def _tell(self, callback: Callable[[], object]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            self._loop.call_soon_threadsafe(callback)


def _settle(group: list[Queued], refused: set[tuple[int, Row]]) -> None:
    for kind, row, done in group:
        if not done.done():
            done.set_result((kind, row) not in refused)


def _fail_all(group: list[Queued], error: LedgerError) -> None:
    for _, _, done in group:
        if not done.done():
            done.set_exception(error)
            done.exception()  # callers that do not wait are told by the next write

"""The ledger of one project, for code on an event loop."""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, Self, TypeVar

from sqlalchemy import Engine
from sqlalchemy.exc import DatabaseError

from outlive.errors import BatchError, LedgerError
from outlive.ledger.approval_rules import ApprovalRules
from outlive.ledger.batches import Batches
from outlive.ledger.budgets import Budgets
from outlive.ledger.database import open_database
from outlive.ledger.effects import Effects
from outlive.ledger.hand_offs import HandOffBook
from outlive.ledger.retention import Retention
from outlive.ledger.spending import Spending
from outlive.ledger.window import STATEMENTS, WindowLedger
from outlive.ledger.writer import GroupCommit

THREADS = 4

P = ParamSpec("P")
T = TypeVar("T")


class Ledger:
    """Where documents, outcomes and money are remembered; any number of processes may have it open.

    ``async with Ledger(path) as ledger`` opens it, and on leaving writes what is queued.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._engine: Engine | None = None
        self._writer: GroupCommit | None = None
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ledger")

    async def __aenter__(self) -> Self:
        """Open the file, creating it with mode 0600 where it does not exist.

        Raises:
            LedgerError: If it cannot be opened.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            self.path.touch(mode=0o600, exist_ok=False)
        self._engine = await self.call(open_database, self.path)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._writer is not None:
            await self._writer.aclose()
            self._writer = None
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
        self._threads.shutdown(wait=False)

    @property
    def engine(self) -> Engine:
        """The open database."""
        if self._engine is None:
            raise LedgerError(f"The ledger {str(self.path)!r} is not open.")
        return self._engine

    @property
    def trouble(self) -> str | None:
        """Why rows cannot be written at the moment (a full disk), or None."""
        return self._writer.trouble if self._writer else None

    async def untroubled(self) -> None:
        """Return once rows can be written: at once, but for a full disk or the like."""
        if self._writer is not None:
            await self._writer.untroubled()

    async def call(self, method: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run one read or write of the ledger off the event loop, in threads that nothing else can fill up.

        Raises:
            LedgerError: If the database refuses, with its reason.
        """
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, partial(method, *args, **kwargs))
        except DatabaseError as error:
            raise LedgerError(f"The ledger {str(self.path)!r} refused: {error.orig}.") from error

    @property
    def batches(self) -> Batches:
        """Reads and writes of whole batches, to be run through `call`."""
        return Batches(self.engine)

    @property
    def effects(self) -> Effects:
        """Reads and writes of calls made on behalf of agents, to be run through `call`."""
        return Effects(self.engine)

    @property
    def retention(self) -> Retention:
        """What is kept of runs, and its removal, to be run through `call`."""
        return Retention(self.engine)

    @property
    def hand_offs(self) -> HandOffBook:
        """Reads and writes of what waits for people, to be run through `call`."""
        return HandOffBook(self.engine)

    @property
    def approval_rules(self) -> ApprovalRules:
        """Reads and writes of rules that approve calls, to be run through `call`."""
        return ApprovalRules(self.engine)

    @property
    def budgets(self) -> Budgets:
        """Reads and writes of budgets, to be run through `call`."""
        return Budgets(self.engine)

    @property
    def spending(self) -> Spending:
        """Reads and writes of what was spent, to be run through `call`."""
        return Spending(self.engine)

    async def window(self, batch_id: str) -> WindowLedger:
        """Return what a worker needs to write the outcomes of one batch.

        Raises:
            BatchError: If the batch is unknown.
        """
        found = await self.call(self.batches.find, batch_id)
        if found is None:
            raise BatchError(f"Unknown batch {batch_id!r}: this worker's ledger is {str(self.path)!r}.")
        if self._writer is None:
            self._writer = GroupCommit(self.engine, STATEMENTS)
        return WindowLedger(self.engine, self._writer, found.number)

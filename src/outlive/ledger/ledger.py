"""The ledger of one project, for code on an event loop."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import ParamSpec, Self, TypeVar

from sqlalchemy import Engine, select
from sqlalchemy.exc import DBAPIError

from outlive.encryption.keyring import Keyring
from outlive.errors import BatchError, EncryptionError, LedgerError
from outlive.ledger.approval_rules import ApprovalRules
from outlive.ledger.batches import Batches
from outlive.ledger.browsing import Browsing
from outlive.ledger.budgets import Budgets
from outlive.ledger.database import open_database
from outlive.ledger.deliveries import Deliveries
from outlive.ledger.effects import Effects
from outlive.ledger.hand_offs import HandOffBook
from outlive.ledger.lookups import encrypt_from_now_on
from outlive.ledger.outages import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, LostError, attempt, patience, reason_of
from outlive.ledger.outbox import Outbox
from outlive.ledger.plans import PlanBook
from outlive.ledger.postgres import open_postgres, shown
from outlive.ledger.progress import LeisurelyProgress
from outlive.ledger.rates import Rates
from outlive.ledger.records import BatchRecord, Progress
from outlive.ledger.retention import Retention
from outlive.ledger.schema import SCHEMA_VERSION, meta, metadata
from outlive.ledger.series import SeriesBook
from outlive.ledger.spending import Spending
from outlive.ledger.tables import Wanted
from outlive.ledger.window import STATEMENTS, WindowLedger
from outlive.ledger.writer import GroupCommit
from outlive.settings import Settings

THREADS = 4

P = ParamSpec("P")
T = TypeVar("T")


def open_ledger(where: Path | str, keys: Keyring | None = None) -> Engine:
    """Open a ledger: a SQLite file, or the PostgreSQL database of a URL.

    Args:
        keys: What its values are encrypted under; None where they are not.

    Raises:
        LedgerError: If it cannot be opened.
        EncryptionError: If it was encrypted under a key that is not there.
    """
    if isinstance(where, Path):
        engine = open_database(where)
    else:
        engine = open_postgres(where, Wanted(tables=metadata, version=SCHEMA_VERSION, called="ledger"))
    try:
        encrypt_from_now_on(engine, keys)
    except EncryptionError:
        engine.dispose()
        raise
    return engine


def ledger_of(settings: Settings) -> Path | str:
    """Return where the ledger of a project is: its database, or a file in the state folder."""
    return settings.ledger or settings.home.resolve() / "ledger.db"


class Ledger:
    """Where documents, outcomes and money are remembered; any number of processes may have it open.

    ``async with Ledger(where) as ledger`` opens it, and on leaving writes what is queued.

    Args:
        where: A SQLite file, or the URL of a PostgreSQL database.
        keys: What its values are encrypted under; None where they are not.

    Attributes:
        name: What messages call it: its path, or its URL without the password.
    """

    def __init__(self, where: Path | str, *, keys: Keyring | None = None) -> None:
        self._where = where
        self._keys = keys
        self.name = str(where) if isinstance(where, Path) else shown(where)
        self._engine: Engine | None = None
        self._writer: GroupCommit | None = None
        self._progress = LeisurelyProgress()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="ledger")
        self._checking = ThreadPoolExecutor(1, thread_name_prefix="ledger-check")  # one question at a time is enough

    async def __aenter__(self) -> Self:
        """Open the database: a file is created with mode 0600, tables are created, where they do not exist.

        Raises:
            LedgerError: If it cannot be opened.
            EncryptionError: If it was encrypted under a key that is not there.
        """
        self._engine = await self.call(open_ledger, self._where, self._keys)
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._writer is not None:
            await self._writer.aclose()
            self._writer = None
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None
        self._threads.shutdown(wait=False)
        self._checking.shutdown(wait=False)

    @property
    def engine(self) -> Engine:
        """The open database."""
        if self._engine is None:
            raise LedgerError(f"The ledger {self.name!r} is not open.")
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

        While a server cannot be reached, what is `repeatable` is tried again for some seconds, or for as long as it
        takes inside `outages_waited_out`.

        Raises:
            LedgerError: If the database refuses, with its reason.
        """
        loop, pause = asyncio.get_running_loop(), FIRST_PAUSE_SECONDS
        give_up_at = time.monotonic() + patience()
        while True:
            try:
                return await loop.run_in_executor(self._threads, partial(attempt, method, *args, **kwargs))
            except LostError as lost:
                if time.monotonic() + pause > give_up_at:
                    raise self._refusal(lost.error) from lost.error
            except DBAPIError as error:
                raise self._refusal(error) from error
            await asyncio.sleep(pause)
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def check(self) -> None:
        """Ask the database for as good as nothing, whatever else it is reading for this process meanwhile.

        Raises:
            LedgerError: If it does not answer. One that says nothing at all keeps this waiting.
        """
        loop = asyncio.get_running_loop()
        try:
            await loop.run_in_executor(self._checking, _read_least, self.engine)
        except DBAPIError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: DBAPIError) -> LedgerError:
        return LedgerError(f"The ledger {self.name!r} refused: {reason_of(error)}.")

    @property
    def batches(self) -> Batches:
        """Reads and writes of whole batches, to be run through `call`."""
        return Batches(self.engine)

    @property
    def browsing(self) -> Browsing:
        """Reads of a batch's documents for whoever pages through them, to be run through `call`."""
        return Browsing(self.engine)

    @property
    def series(self) -> SeriesBook:
        """Reads of how batches went over time, to be run through `call`."""
        return SeriesBook(self.engine)

    async def progress(self, record: BatchRecord) -> Progress:
        """Return the sums over a batch's outcomes, a few times as old as it takes to make them at most."""
        return await self._progress.read(record, lambda: self.call(self.batches.progress, record.batch_id))

    def known_progress(self, record: BatchRecord) -> Progress | None:
        """Return what `progress` would, where that takes no reading; None otherwise."""
        return self._progress.known(record)

    @property
    def effects(self) -> Effects:
        """Reads and writes of calls made on behalf of agents, to be run through `call`."""
        return Effects(self.engine)

    @property
    def retention(self) -> Retention:
        """What is kept of runs, and its removal, to be run through `call`."""
        return Retention(self.engine)

    @property
    def plans(self) -> PlanBook:
        """What plans have rehearsed and done, to be run through `call`."""
        return PlanBook(self.engine)

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

    @property
    def rates(self) -> Rates:
        """How fast models may be called by all workers together, to be run through `call`."""
        return Rates(self.engine)

    @property
    def deliveries(self) -> Deliveries:
        """What was told and what is still to be, for people, to be run through `call`."""
        return Deliveries(self.engine)

    @property
    def outbox(self) -> Outbox:
        """Reads and writes of events that are to be told, to be run through `call`."""
        return Outbox(self.engine)

    async def window(self, batch_id: str) -> WindowLedger:
        """Return what a worker needs to write the outcomes of one batch.

        Raises:
            BatchError: If the batch is unknown.
        """
        found = await self.call(self.batches.find, batch_id)
        if found is None:
            raise BatchError(f"Unknown batch {batch_id!r}: this worker's ledger is {self.name!r}.")
        if self._writer is None:
            self._writer = GroupCommit(self.engine, STATEMENTS)
        return WindowLedger(self.engine, self._writer, found)


def _read_least(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(select(meta.c.name).limit(1)).all()

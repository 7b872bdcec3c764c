"""The activity that works through one window of documents."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import replace

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from outlive.activities.batch_runtime import BatchRuntime, BatchRuntimes
from outlive.activities.documents import answer_document
from outlive.contracts.batches import WindowInput, WindowReport
from outlive.contracts.outcomes import Cause, Outcome, Status
from outlive.errors import BudgetExhausted, ModelHalted, ModelOverloaded
from outlive.ledger.outages import outages_waited_out
from outlive.ledger.records import PendingDocument
from outlive.names import WORK_WINDOW

HEARTBEAT_SECONDS = 1.0
DOCUMENTS_PER_READ = 50
SUSPECT_AFTER = 3
"""A document that was in flight at so many deaths is worked on alone: whatever kills the worker is then known."""
GIVEN_UP_AFTER = 6
FEW = 3
OUTAGES_ALONE = 30
"""A document that nobody answers is not to keep its batch from ending. With the last few of a window it fails after so
many outages, some twenty minutes; with more than a few it is the model that is down, and that is waited out."""


class Windows:
    """Works windows through, on behalf of the batch workflow."""

    def __init__(self, runtimes: BatchRuntimes) -> None:
        self._runtimes = runtimes

    @activity.defn(name=WORK_WINDOW)
    async def work_window(self, window: WindowInput) -> WindowReport:
        """Give every document of the window that has none an outcome, many at a time.

        Asked to stop (the batch is paused or cancelled, the worker shuts down), it takes no further document, finishes
        those in flight and reports how many are missing.

        Raises:
            ApplicationError: If the model answers nobody at all; retried after a while.
        """
        beating = asyncio.create_task(_beat())  # opening a batch imports its model's library, which takes seconds
        try:
            with outages_waited_out():
                return await self._worked(window)
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    async def _worked(self, window: WindowInput) -> WindowReport:
        async with self._runtimes.window(window) as runtime:
            return await _Pass(self._runtimes, runtime, window).run()


async def _beat() -> None:
    """Tell the engine that this attempt lives."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(HEARTBEAT_SECONDS)


def _is_overdue() -> bool:
    """Whether the worker's grace period is over."""
    details = activity.cancellation_details()
    return details is not None and details.worker_shutdown


class _Pass:
    """One attempt at one window."""

    def __init__(self, runtimes: BatchRuntimes, runtime: BatchRuntime, window: WindowInput) -> None:
        self._runtimes = runtimes
        self._runtime = runtime
        self._window = window
        self._stopping = False
        self._halted: ModelHalted | None = None
        self._outage: ModelOverloaded | None = None
        self._found = 0
        self._recorded = 0
        self._in_flight: set[asyncio.Task[None]] = set()

    async def run(self) -> WindowReport:
        """Work the window through, or, asked to stop, what is in flight of it."""
        looking = asyncio.create_task(self._look_around())
        work = asyncio.create_task(self._work())
        try:
            while not work.done():
                try:
                    await asyncio.shield(work)
                except asyncio.CancelledError:
                    if work.done() or _is_overdue():
                        raise
                    self._stopping = True  # paused, cancelled or given up: what is in flight was paid for, and counts
        finally:
            broken_off = [work, looking, *self._in_flight]  # done by now, but where the worker cannot wait any longer
            for task in broken_off:
                task.cancel()
            await asyncio.gather(*broken_off, return_exceptions=True)
        return work.result()

    async def _look_around(self) -> None:
        """Look for what has changed: the batch's concurrency, or a worker that is to stop."""
        while True:
            await self._runtime.refresh(self._runtimes.ledger)
            if activity.is_worker_shutdown():
                self._stopping = True
            await asyncio.sleep(HEARTBEAT_SECONDS)

    async def _work(self) -> WindowReport:
        suspects: deque[PendingDocument] = deque()
        async for document in self._pending():
            if document.deaths >= SUSPECT_AFTER:
                suspects.append(document)
            elif not self._stopping:
                await self._take(document)
        await self._finish_in_flight()
        while suspects and not self._stopping:
            await self._examine(suspects.popleft())
        if self._outage is not None:
            raise ApplicationError(
                self._outage.reason,
                type="ModelOutage",
                next_retry_delay=self._runtimes.outage_pause(self._outage),
                category=ApplicationErrorCategory.BENIGN,  # expected and waited out: no traceback per window in the log
            ) from None  # with its causes' tracebacks the engine would cut it off, reason and all
        return self._report()

    def _report(self) -> WindowReport:
        missing = self._found - self._recorded
        if self._halted is None:
            return WindowReport(recorded=self._recorded, missing=missing)
        report = WindowReport(recorded=self._recorded, missing=missing, halted=self._halted.reason)
        if isinstance(self._halted, BudgetExhausted):
            return replace(report, budget=self._halted.budget, budget_version=self._halted.version)
        return report

    async def _pending(self) -> AsyncIterator[PendingDocument]:
        """Yield the documents without an outcome, a few at a time: the ledger may hold their texts, large ones too."""
        for start in range(self._window.start, self._window.stop, DOCUMENTS_PER_READ):
            stop = min(start + DOCUMENTS_PER_READ, self._window.stop)
            for document in await self._runtimes.ledger.call(self._runtime.ledger.pending, start, stop):
                self._found += 1
                yield document

    async def _take(self, document: PendingDocument) -> bool:
        """Begin a document as soon as there is room; False once no further one is to be begun."""
        if self._runtimes.ledger.trouble:  # a full disk: what cannot be recorded is not to be paid for
            await self._runtimes.ledger.untroubled()
        await self._runtime.permits.acquire()
        if self._stopping:
            self._runtime.permits.release()
            return False
        task = asyncio.create_task(self._work_document(document))
        self._in_flight.add(task)
        task.add_done_callback(self._in_flight.discard)
        return True

    async def _finish_in_flight(self) -> None:
        while self._in_flight:
            await asyncio.wait(self._in_flight)

    async def _examine(self, document: PendingDocument) -> None:
        """Work on a document that was in flight at several deaths, with no other of its kind beside it."""
        async with self._runtime.suspects:
            if document.deaths >= GIVEN_UP_AFTER:
                reason = (
                    f"It was in flight at {document.deaths} deaths of a worker, at the last ones as the only suspect."
                )
                await self._record(
                    Outcome(position=document.position, status=Status.FAILED, cause=Cause.KILLED_WORKER, reason=reason)
                )
            elif await self._take(document):
                await self._finish_in_flight()

    async def _work_document(self, document: PendingDocument) -> None:
        try:
            answered = await answer_document(self._runtime, self._runtimes.models, document)
        except ModelHalted as error:
            self._halted = error
            self._stopping = True
            self._runtime.ledger.give_back(document.position)
            return
        except ModelOverloaded as error:
            await self._leave_for_later(document, error)
            return
        except asyncio.CancelledError:
            self._runtime.ledger.give_back(document.position)  # broken off by a worker that stops: nobody died of it
            raise
        finally:
            self._runtime.permits.release()
        if answered is None:  # another attempt, taken for dead, has recorded it meanwhile
            self._found -= 1
        else:
            outcome, has_kept = answered
            await self._record(outcome, has_kept=has_kept)

    async def _leave_for_later(self, document: PendingDocument, error: ModelOverloaded) -> None:
        """Note that the model answered nobody; the last few documents are at fault where that goes on for long."""
        if document.outages >= OUTAGES_ALONE and self._found - self._recorded <= FEW:
            outcome = Outcome(
                position=document.position, status=Status.FAILED, cause=Cause(error.cause), reason=error.reason
            )
            await self._record(outcome)
            return
        self._outage = error
        self._stopping = True
        await self._runtime.ledger.count_outage(document.position)

    async def _record(self, outcome: Outcome, *, has_kept: bool = False) -> None:
        await self._runtime.ledger.record(outcome, has_kept=has_kept)
        self._recorded += 1

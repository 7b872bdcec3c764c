"""One batch in the hands of an application: where it stands, what changes it, what came of it."""

import asyncio
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Protocol

import temporalio.client
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode

from outlive.contracts.budgets import Budget
from outlive.contracts.outcomes import explanation_of
from outlive.contracts.windows import batch_input, windows_in_flight
from outlive.engine.health import BatchHealth, batch_health, until_closed
from outlive.engine.priority import priority_of
from outlive.errors import BatchError, BatchUnknown, EngineUnavailable, UsageError
from outlive.ledger.browsing import BrowsedDocument
from outlive.ledger.forecasting import RECENT_SECONDS, Outlook, outlook_of
from outlive.ledger.ledger import Ledger
from outlive.ledger.records import BatchRecord, BatchState, DocumentResult, Progress
from outlive.names import BATCH_WORKFLOW, PAUSE_SIGNAL, RESUME_SIGNAL, SET_WINDOWS_SIGNAL, batch_workflow_id
from outlive.registry import Registry
from outlive.settings import Settings
from outlive.workflows.policies import WORKFLOW_TASK_TIMEOUT

WATCH_SECONDS = 0.5
RESULT_SECONDS = 0.1
HEALTH_SECONDS = 2.0
LEISURE = 5  # looking at a million documents takes a while: no more than a sixth of the time is spent on it


@dataclass(frozen=True, kw_only=True)
class BatchStatus:
    """Where a batch stands.

    Attributes:
        record: The batch as the ledger has it.
        progress: Sums over its outcomes.
        health: What the engine says about it; None where the engine was not asked or did not answer.
    """

    record: BatchRecord
    progress: Progress
    health: BatchHealth | None = None

    @property
    def has_ended(self) -> bool:
        """Whether nothing more will happen to the batch by itself."""
        return self.record.state in {BatchState.FINISHED, BatchState.CANCELLED}


def trouble(status: BatchStatus) -> str | None:
    """Return what keeps the batch from moving, and what to do, or None."""
    record = status.record
    if record.state is BatchState.PAUSED:
        why = f" ({record.state_reason})" if record.state_reason else ""
        return f"Paused{why}. Go on with `outlive batch resume {record.batch_id}`."
    if status.has_ended:
        return None
    if status.health is None:
        return "The engine does not answer at the moment; waiting for it."
    if status.health.was_ended or status.health.workflow_status is None:
        return f"The batch is not running in the engine. Go on with `outlive batch resume {record.batch_id}`."
    return status.health.problem


@dataclass(frozen=True, kw_only=True)
class FailureGroup:
    """Documents that failed of one cause.

    Attributes:
        explanation: What the cause means, and what to do.
        example: The first of them.
    """

    cause: str
    documents: int
    explanation: str
    example: BrowsedDocument


class Connection(Protocol):
    """What a handle needs of the `outlive.Client` that made it."""

    settings: Settings
    ledger: Ledger

    @property
    def registry(self) -> Registry:
        """What the app declares."""
        ...

    async def temporal(self) -> temporalio.client.Client:
        """Return the connection to Temporal."""
        ...

    async def find_batch(self, batch_id: str) -> BatchRecord | None:
        """Return a batch as the ledger has it, or None."""
        ...


class BatchHandle:
    """One batch: follow it, change it, read its results.

    Attributes:
        is_new: Whether the batch was written down by the call that returned this handle, and not before.
    """

    def __init__(self, client: Connection, batch_id: str, *, is_new: bool = False) -> None:
        self.is_new = is_new
        self._client = client
        self.batch_id = batch_id

    def __repr__(self) -> str:
        return f"BatchHandle({self.batch_id!r})"

    async def record(self) -> BatchRecord:
        """Return the batch as the ledger has it.

        Raises:
            BatchError: If it is unknown.
        """
        found = await self._client.find_batch(self.batch_id)
        if found is None:
            raise BatchUnknown(f"Unknown batch {self.batch_id!r}. `outlive batch list` shows those of this project.")
        return found

    async def start(self) -> None:
        """Start the batch, unless it runs or has finished. Safe to call any number of times.

        Raises:
            EngineUnavailable: If no engine answers.
        """
        record = await self.record()
        if record.state is BatchState.FINISHED:
            return
        temporal = await self._client.temporal()
        if record.state is BatchState.CANCELLED:
            await self._until_closed(temporal)
            await self._mark(BatchState.RUNNING)  # the workflow says so too, but whoever watches looks sooner
        try:
            await temporal.start_workflow(
                BATCH_WORKFLOW,
                batch_input(record.batch_id, document_count=record.document_count, concurrency=record.concurrency),
                id=batch_workflow_id(self.batch_id),
                task_queue=self._client.settings.task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
                task_timeout=WORKFLOW_TASK_TIMEOUT,
                static_summary=f"{record.unique_count:,} documents with {record.spec.model}",
                priority=priority_of(record.spec.tenant, self._client.registry.priorities),
            )
        except RPCError as error:
            raise EngineUnavailable(
                f"The engine did not start batch {self.batch_id!r}: {error.message}. "
                f"Once it answers (`outlive doctor`), start it with `outlive batch resume {self.batch_id}`."
            ) from error

    async def status(self, *, ask_engine: bool = True, is_exact: bool = True) -> BatchStatus:
        """Return where the batch stands.

        Args:
            is_exact: False takes sums that may be a moment old, for those who look often.
        """
        record = await self.record()
        progress = await self._progress(record, is_exact=is_exact)
        health = None
        if ask_engine and record.state is not BatchState.FINISHED:
            temporal = await self._client.temporal()
            health = await batch_health(temporal, batch_workflow_id(self.batch_id), self._client.settings.task_queue)
            if health is not None and health.was_ended:  # maybe since the ledger was read: look again
                record = await self.record()
                progress = await self._progress(record, is_exact=is_exact)
        return BatchStatus(record=record, progress=progress, health=health)

    async def outlook(self, status: BatchStatus) -> Outlook:
        """Return how fast the batch is, and what is to be expected of it."""
        record, book = status.record, self._client.ledger.series
        recent = await self._client.ledger.call(book.recent, record.number, record.created_at, seconds=RECENT_SECONDS)
        return outlook_of(record, status.progress, recent, now=time.time())

    async def watch(self, *, interval: float = WATCH_SECONDS) -> AsyncIterator[BatchStatus]:
        """Yield where the batch stands, again and again, until it has ended. An engine that restarts is waited for."""
        loop = asyncio.get_running_loop()
        asked_at, health = float("-inf"), None
        while True:
            began = loop.time()
            ask_engine = began - asked_at >= HEALTH_SECONDS
            status = await self.status(ask_engine=ask_engine)
            if ask_engine:
                asked_at, health = loop.time(), status.health
            yield replace(status, health=health)
            if status.has_ended:
                return
            await asyncio.sleep(max(interval, (loop.time() - began) * LEISURE))

    async def result(self) -> BatchStatus:
        """Wait until the batch has ended.

        Raises:
            BatchError: If it was ended from outside, in the engine, before it was through.
        """
        async for status in self.watch(interval=RESULT_SECONDS):
            if status.has_ended:
                return status
            if status.health is not None and status.health.was_ended:
                raise BatchError(
                    f"Batch {self.batch_id!r} was ended in the engine ({status.health.workflow_status}) before it was "
                    "through. Nothing is lost: start it again under the same id and it goes on."
                )
        raise AssertionError  # watch only ends after a status that has ended

    async def pause(self) -> None:
        """Begin no further document; those in flight are finished."""
        await self._signal(PAUSE_SIGNAL, None)

    async def resume(self) -> None:
        """Go on after a pause."""
        await self._client.temporal()
        if (await self.record()).state is BatchState.PAUSED:
            await self._mark(BatchState.RUNNING)  # before the signal: what follows it may be the next pause
        await self._signal(RESUME_SIGNAL)

    async def cancel(self) -> None:
        """End the batch after the documents in flight; what is done stays, and starting it again goes on."""
        temporal = await self._client.temporal()
        try:
            await temporal.get_workflow_handle(batch_workflow_id(self.batch_id)).cancel()
        except RPCError as error:
            raise self._not_running(error) from error

    async def set_budget(self, budget: Budget, *, by: str) -> None:
        """Set what the batch may spend; one that is paused for money goes on by itself where that is enough.

        Args:
            by: Who decides, for the ledger.
        """
        ledger = self._client.ledger
        await ledger.call(ledger.budgets.set_caps, batch_workflow_id(self.batch_id), budget, by=by)

    async def set_concurrency(self, documents: int) -> None:
        """Change how many documents are in flight over all workers; they see it within about a second.

        Raises:
            UsageError: If it is less than 1.
        """
        if documents < 1:
            raise UsageError(f"Concurrency is {documents}. It must be at least 1; `outlive batch pause` stops a batch.")
        await self._client.ledger.call(self._client.ledger.batches.set_concurrency, self.batch_id, documents)
        await self._signal(SET_WINDOWS_SIGNAL, windows_in_flight(documents))

    async def retry_failed(self) -> int:
        """Do the failed documents again; returns how many. What they cost before stays counted.

        Raises:
            BatchError: If the batch is still running.
        """
        record = await self.record()
        if record.state not in {BatchState.FINISHED, BatchState.CANCELLED}:
            raise BatchError(
                f"Batch {self.batch_id!r} is {record.state}. Its failed documents can be retried once it has ended."
            )
        await self._until_closed(await self._client.temporal())  # no engine: nothing is taken back
        count = await self._client.ledger.call(self._client.ledger.batches.take_back_failed, self.batch_id)
        if count:
            await self.start()
        return count

    async def failures(self) -> list[FailureGroup]:
        """Return what documents failed of, the most frequent cause first."""
        record, ledger = await self.record(), self._client.ledger
        counts = await ledger.call(ledger.browsing.failures, record)
        found = await ledger.call(ledger.browsing.at, record, [count.first for count in counts])
        examples = {document.position: document for document in found}
        return [
            FailureGroup(
                cause=count.cause,
                documents=count.documents,
                explanation=explanation_of(count.cause),
                example=examples[count.first],
            )
            for count in counts
        ]

    async def results(self) -> AsyncIterator[DocumentResult]:
        """Yield every entry of the source in source order with what became of it so far."""
        async for chunk in self.results_in_chunks():
            for row in chunk:
                yield row

    async def results_in_chunks(self, size: int = 1000) -> AsyncIterator[list[DocumentResult]]:
        """Yield what `results` yields, in lists."""
        rows = await self._client.ledger.call(self._client.ledger.batches.results, self.batch_id)
        while chunk := await self._client.ledger.call(lambda: list(islice(rows, size))):
            yield chunk

    async def results_page(self, *, start: int = 0, limit: int = 100) -> list[DocumentResult]:
        """Return what `results` yields from one position of the source on.

        Args:
            limit: The most entries.
        """
        return await self._client.ledger.call(self._client.ledger.batches.results_page, self.batch_id, start, limit)

    async def _progress(self, record: BatchRecord, *, is_exact: bool) -> Progress:
        ledger = self._client.ledger
        return await (ledger.call(ledger.batches.progress, self.batch_id) if is_exact else ledger.progress(record))

    async def _until_closed(self, temporal: temporalio.client.Client) -> None:
        """Wait for the end of the run that has marked the batch as ended: it must not be taken for a new one."""
        if not await until_closed(temporal, batch_workflow_id(self.batch_id)):
            raise BatchError(
                f"Batch {self.batch_id!r} is still ending. Is a worker there (`outlive up`)? Try again then."
            )

    async def _mark(self, state: BatchState) -> None:
        await self._client.ledger.call(self._client.ledger.batches.set_state, self.batch_id, state)

    async def _signal(self, name: str, *args: Any) -> None:
        temporal = await self._client.temporal()
        try:
            await temporal.get_workflow_handle(batch_workflow_id(self.batch_id)).signal(name, args=args)
        except RPCError as error:
            raise self._not_running(error) from error

    def _not_running(self, error: RPCError) -> BatchError:
        if error.status is RPCStatusCode.NOT_FOUND:
            return BatchError(
                f"Batch {self.batch_id!r} is not running. `outlive batch status {self.batch_id}` says more."
            )
        return BatchError(f"The engine did not take the request for batch {self.batch_id!r}: {error.message}.")

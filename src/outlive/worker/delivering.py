"""What a worker does beside its work to tell others: it delivers, and notices ends and progress that nobody reports."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

from temporalio.client import Client, WorkflowExecution, WorkflowExecutionStatus, WorkflowFailureError
from temporalio.exceptions import ApplicationError, FailureError
from temporalio.service import RPCError

from outlive.activities.telling import END_KEY, Teller
from outlive.contracts.notifications import Occurrence
from outlive.errors import BatchError, LedgerError
from outlive.ledger.ledger import Ledger
from outlive.ledger.records import BatchState
from outlive.names import BATCH_WORKFLOW_ID_PREFIX
from outlive.notify.dispatching import Dispatcher
from outlive.notify.events import Event, progress_data, result_data
from outlive.notify.kafka import KafkaSender
from outlive.notify.retrying import Schedule
from outlive.notify.webhooks import WebhookSender
from outlive.settings import Settings

logger = logging.getLogger(__name__)

LOOK_SECONDS = 2.0
TURN_SECONDS = 10.0  # a worker that looks for all keeps doing so; another takes over when it is gone for so long
LAG_SECONDS = 120.0  # visibility may learn of an end so much later
PROGRESS_SECONDS = 60.0  # between two events of how far a batch is
PAGE = 500


@contextlib.asynccontextmanager
async def delivering(client: Client, ledger: Ledger, settings: Settings, teller: Teller) -> AsyncIterator[None]:
    """Deliver events, and look for what is to be told, for as long as the block runs."""
    schedule = Schedule(longest=settings.notify_longest_pause, lasts=settings.notify_days * 86_400.0)
    async with (
        WebhookSender(allow_private=settings.allow_private_addresses) as webhooks,
        KafkaSender(settings) as kafka,
    ):
        dispatcher = Dispatcher(ledger, {"webhook": webhooks, "kafka": kafka}, schedule)
        running = [
            asyncio.create_task(dispatcher.run()),
            asyncio.create_task(_Lookout(client, ledger, teller, dispatcher.owner).run()),
        ]
        try:
            yield
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)


class _Lookout:
    """Tells what no activity can: that a run failed, was cancelled, terminated or timed out; and how far batches are.

    One worker at a time looks. What another has told already is the same event, and recorded once.
    """

    def __init__(self, client: Client, ledger: Ledger, teller: Teller, owner: str) -> None:
        self._client = client
        self._ledger = ledger
        self._teller = teller
        self._owner = owner
        self._seen_until: float | None = None

    async def run(self) -> None:
        while True:
            try:
                if await self._ledger.call(self._ledger.outbox.take_turn, "lookout", self._owner, TURN_SECONDS):
                    await self._tell_ends()
                    await self._tell_progress()
            except (LedgerError, RPCError) as error:  # told of where they are needed; the next look does it
                logger.debug("Ends of runs could not be looked for", extra={"reason": str(error)})
            except Exception:  # the edge of a task that is to live as long as the worker
                logger.exception("Looking for ends of runs failed unexpectedly")
            await asyncio.sleep(LOOK_SECONDS)

    async def _tell_ends(self) -> None:
        first = await self._ledger.call(self._ledger.outbox.first_open)
        if first is None:
            self._seen_until = None
            return
        now = time.time()
        since = datetime.fromtimestamp((self._seen_until or first) - LAG_SECONDS, UTC).isoformat()
        page: list[WorkflowExecution] = []
        ended = f'ExecutionStatus != "Running" AND ExecutionStatus != "ContinuedAsNew" AND CloseTime >= "{since}"'
        async for execution in self._client.list_workflows(ended):
            page.append(execution)
            if len(page) >= PAGE:
                await self._tell_page(page)
                page = []
        await self._tell_page(page)
        self._seen_until = now

    async def _tell_page(self, page: list[WorkflowExecution]) -> None:
        outbox = self._ledger.outbox
        open_ids = await self._ledger.call(outbox.open_among, {found.id for found in page})
        for found in page:
            if found.id in open_ids and await self._is_latest(found):
                await self._teller.tell(await self._end_of(found))

    async def _is_latest(self, found: WorkflowExecution) -> bool:
        """Whether nothing of this id was begun since: a batch may be, and then it has not ended."""
        latest = await self._client.get_workflow_handle(found.id).describe()
        return latest.run_id == found.run_id

    async def _end_of(self, found: WorkflowExecution) -> Event:
        occurrence, data = Occurrence.FAILED, dict[str, Any]()
        if found.status is WorkflowExecutionStatus.CANCELED:
            occurrence = Occurrence.CANCELLED
        elif found.status is WorkflowExecutionStatus.COMPLETED:
            occurrence = Occurrence.COMPLETED
            data = result_data(await self._output_of(found))
        elif found.status is WorkflowExecutionStatus.FAILED:
            data = {"error": await self._error_of(found)}
        else:
            kind = "Terminated" if found.status is WorkflowExecutionStatus.TERMINATED else "TimedOut"
            data = {"error": {"type": kind, "message": "It was ended in the engine."}}
        at = found.close_time.timestamp() if found.close_time else time.time()
        key = f"{found.run_id}\0{END_KEY}"
        return Event(workflow_id=found.id, occurrence=occurrence, key=key, at=at, data=data)

    async def _output_of(self, found: WorkflowExecution) -> Any:
        result = await self._client.get_workflow_handle(found.id, run_id=found.run_id).result()
        return result.get("output") if isinstance(result, dict) else result

    async def _error_of(self, found: WorkflowExecution) -> dict[str, str]:
        try:
            await self._client.get_workflow_handle(found.id, run_id=found.run_id).result(follow_runs=False)
        except WorkflowFailureError as error:
            cause: BaseException = error.cause
            while not isinstance(cause, ApplicationError) and isinstance(cause.__cause__, FailureError):
                cause = cause.__cause__
            kind = cause.type if isinstance(cause, ApplicationError) and cause.type else type(cause).__name__
            return {"type": kind, "message": str(cause)}
        return {"type": "Failed", "message": "It has failed."}

    async def _tell_progress(self) -> None:
        outbox, now = self._ledger.outbox, time.time()
        late = await self._ledger.call(outbox.progressing, BATCH_WORKFLOW_ID_PREFIX, before=now - PROGRESS_SECONDS)
        for workflow_id in late:
            batch_id = workflow_id.removeprefix(BATCH_WORKFLOW_ID_PREFIX)
            with contextlib.suppress(BatchError):  # subscribed, and removed since
                record = await self._ledger.call(self._ledger.batches.find, batch_id)
                if record is None or record.state is not BatchState.RUNNING:
                    continue
                progress = await self._ledger.call(self._ledger.batches.progress, batch_id)
                await self._teller.tell(
                    Event(
                        workflow_id=workflow_id,
                        occurrence=Occurrence.PROGRESS,
                        key=f"progress-{now // PROGRESS_SECONDS:.0f}",
                        at=now,
                        data={"batch_id": batch_id, **progress_data(progress)},
                    )
                )

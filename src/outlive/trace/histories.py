"""The histories of a run, as the engine has them: the chain of its workflow runs, and the events of each."""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import ContinueAsNewInitiator, EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import (
    GetWorkflowExecutionHistoryRequest,
    GetWorkflowExecutionHistoryReverseRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

ANSWER_TIMEOUT = timedelta(seconds=20)  # a page of history that holds megabytes takes its time
FEW_EVENTS = 64  # of a page from the end: what a second of a run comes to
MANY_EVENTS = 500

_PROVISIONAL = frozenset({EventType.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED})
"""Events of a task in hand are shown at the end of a history before they are in it: another one may get their id."""


@dataclass(frozen=True, kw_only=True)
class Chain:
    """Workflow runs that continue each other.

    Attributes:
        run_ids: The oldest first.
        reaches: Whether it begins behind the run that was asked for.
        is_cut: Whether the engine no longer has what was before.
    """

    run_ids: Sequence[str]
    reaches: bool = False
    is_cut: bool = False


class Histories:
    """Reads the histories of one workflow id."""

    def __init__(self, client: Client, workflow_id: str) -> None:
        """Take the connection to the engine."""
        self._client = client
        self._workflow_id = workflow_id

    async def chain(self, head: str, *, behind: str = "") -> Chain:
        """Return the workflow runs that a run consists of.

        Args:
            head: The newest.
            behind: One that is known: those before it are not looked for.

        Raises:
            RPCError: If the engine does not answer.
        """
        found: list[str] = []
        run_id = head
        while run_id and run_id not in found:
            if run_id == behind:
                return Chain(run_ids=found[::-1], reaches=True)
            request = GetWorkflowExecutionHistoryRequest(
                namespace=self._client.namespace, execution=self._execution(run_id), maximum_page_size=1
            )
            try:
                answer = await self._client.workflow_service.get_workflow_execution_history(
                    request, timeout=ANSWER_TIMEOUT
                )
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                return Chain(run_ids=found[::-1], is_cut=True)
            found.append(run_id)
            if not answer.history.events:
                break
            started = answer.history.events[0].workflow_execution_started_event_attributes
            if started.initiator == ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE:
                break
            run_id = started.continued_execution_run_id
        return Chain(run_ids=found[::-1])

    async def pages(self, run_id: str) -> AsyncIterator[Sequence[HistoryEvent]]:
        """Yield the events of a workflow run, from the first on.

        Raises:
            RPCError: If the engine does not answer, or no longer has it.
        """
        token = b""
        while True:
            request = GetWorkflowExecutionHistoryRequest(
                namespace=self._client.namespace, execution=self._execution(run_id), next_page_token=token
            )
            answer = await self._client.workflow_service.get_workflow_execution_history(request, timeout=ANSWER_TIMEOUT)
            yield answer.history.events
            token = answer.next_page_token
            if not token:
                return

    async def pages_from_the_end(self, run_id: str, *, size: int) -> AsyncIterator[Sequence[HistoryEvent]]:
        """Yield the events of a workflow run, the last one first.

        Raises:
            RPCError: If the engine does not answer, or no longer has it.
        """
        token = b""
        while True:
            request = GetWorkflowExecutionHistoryReverseRequest(
                namespace=self._client.namespace,
                execution=self._execution(run_id),
                maximum_page_size=size,
                next_page_token=token,
            )
            answer = await self._client.workflow_service.get_workflow_execution_history_reverse(
                request, timeout=ANSWER_TIMEOUT
            )
            yield answer.history.events
            token = answer.next_page_token
            if not token:
                return

    async def behind(self, run_id: str, event_id: int, *, length: int = 0) -> list[HistoryEvent]:
        """Return the events of a workflow run that follow on one of them.

        Args:
            length: How many events it has, as far as is known.

        Raises:
            RPCError: If the engine does not answer, or no longer has it.
        """
        found: list[HistoryEvent] = []
        size = FEW_EVENTS if length - event_id < FEW_EVENTS else MANY_EVENTS
        async for page in self.pages_from_the_end(run_id, size=size):
            fresh = [event for event in page if event.event_id > event_id]
            found += fresh
            if len(fresh) < len(page):
                break
        return found[::-1]

    async def picked(self, run_id: str, event_ids: Collection[int], *, length: int) -> list[HistoryEvent]:
        """Return some events of a workflow run, in order; none where the engine no longer has them.

        Args:
            length: How many events it has, as far as is known: so it is read from the nearer end.

        Raises:
            RPCError: If the engine does not answer.
        """
        first, last = min(event_ids), max(event_ids)
        is_late = length - first < last
        pages = self.pages_from_the_end(run_id, size=MANY_EVENTS) if is_late else self.pages(run_id)
        found: dict[int, HistoryEvent] = {}
        try:
            async for page in pages:
                found.update((event.event_id, event) for event in page if event.event_id in event_ids)
                if len(found) == len(set(event_ids)):
                    break
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
        return [found[event_id] for event_id in sorted(found)]

    def _execution(self, run_id: str) -> WorkflowExecution:
        return WorkflowExecution(workflow_id=self._workflow_id, run_id=run_id)


def last_certain(events: Sequence[HistoryEvent], before: int) -> int:
    """Return the id of the last event that stays where it is; that of before where none of them is."""
    return next((event.event_id for event in reversed(events) if event.event_type not in _PROVISIONAL), before)

"""What the engine knows about a run that a person should hear of: is it stuck, and why."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from outlive.engine.sealing import reveal_failures

POLLED_RECENTLY = timedelta(seconds=75)  # a poll lasts up to 60 s before the worker asks again
ANSWER_TIMEOUT = timedelta(seconds=3)
CLOSING_SECONDS = 20.0
LOOK_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class BatchHealth:
    """What the engine says about a batch.

    Attributes:
        workflow_status: Temporal's word for it, such as ``RUNNING``; None where the engine does not know the workflow.
        worker_count: Pollers of the task queue that asked for work lately.
        problem: One sentence for a person, where something is stuck.
    """

    workflow_status: str | None
    worker_count: int
    problem: str | None = None

    @property
    def was_ended(self) -> bool:
        """Whether the workflow is over, whatever the ledger says."""
        return self.workflow_status not in {None, "RUNNING", "CONTINUED_AS_NEW"}


async def batch_health(client: Client, workflow_id: str, task_queue: str) -> BatchHealth | None:
    """Ask the engine about a batch; None where the engine does not answer at the moment."""
    try:
        workers = await count_pollers(client, task_queue)
        description = await client.get_workflow_handle(workflow_id).describe(rpc_timeout=ANSWER_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            return None
        return BatchHealth(workflow_status=None, worker_count=0)
    await reveal_failures(client, description)
    status = description.status.name if description.status is not None else None
    problem = None
    if description.status is WorkflowExecutionStatus.RUNNING:
        problem = _problem(description, workers, task_queue)
    return BatchHealth(workflow_status=status, worker_count=workers, problem=problem)


async def until_closed(client: Client, workflow_id: str) -> bool:
    """Wait until a workflow that has done all its work is over for the engine too; False where it does not end."""
    deadline = asyncio.get_running_loop().time() + CLOSING_SECONDS
    while asyncio.get_running_loop().time() < deadline:
        try:
            description = await client.get_workflow_handle(workflow_id).describe(rpc_timeout=ANSWER_TIMEOUT)
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                return True
        else:
            if description.status is not WorkflowExecutionStatus.RUNNING:
                return True
        await asyncio.sleep(LOOK_SECONDS)
    return False


async def count_pollers(client: Client, task_queue: str) -> int:
    """Return how many workers have polled a task queue for workflow tasks lately."""
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    answer = await client.workflow_service.describe_task_queue(request, timeout=ANSWER_TIMEOUT)
    now = datetime.now(tz=UTC)
    recent = [
        poller for poller in answer.pollers if now - poller.last_access_time.ToDatetime(tzinfo=UTC) < POLLED_RECENTLY
    ]
    return len({poller.identity for poller in recent})


def _problem(description: WorkflowExecutionDescription, workers: int, task_queue: str) -> str | None:
    raw = description.raw_description
    if not workers:
        return f"No worker polls the task queue {task_queue!r}. Start one with `outlive up`."
    if raw.HasField("pending_workflow_task") and raw.pending_workflow_task.attempt > 1:
        return f"The workflow's code fails again and again (attempt {raw.pending_workflow_task.attempt})."
    for pending in raw.pending_activities:
        if pending.HasField("last_failure") and not pending.last_failure.HasField("timeout_failure_info"):
            return f"{pending.last_failure.message} (attempt {pending.attempt}; it is tried again)"
    return None

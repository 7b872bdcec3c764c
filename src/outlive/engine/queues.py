"""Task queues as the cluster sees them: who polls, and what waits."""

from dataclasses import dataclass
from datetime import UTC, datetime

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client

from outlive.engine.health import ANSWER_TIMEOUT, POLLED_RECENTLY

KINDS = (TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)


@dataclass(frozen=True, kw_only=True)
class SeenQueue:
    """A task queue.

    Attributes:
        pollers: Workers that asked for work lately.
        backlog: Tasks that no worker has taken yet; about.
        oldest_seconds: How long the oldest of them has waited; None where none waits.
    """

    name: str
    pollers: int
    backlog: int
    oldest_seconds: float | None


async def read_queue(client: Client, name: str) -> SeenQueue:
    """Return who polls a task queue and what waits there, of workflow and of activity tasks together.

    Raises:
        RPCError: If the cluster does not answer.
    """
    identities, backlog, oldest = set[str](), 0, 0.0
    now = datetime.now(tz=UTC)
    for kind in KINDS:
        request = DescribeTaskQueueRequest(
            namespace=client.namespace, task_queue=TaskQueue(name=name), task_queue_type=kind, report_stats=True
        )
        answer = await client.workflow_service.describe_task_queue(request, timeout=ANSWER_TIMEOUT)
        identities |= {
            poller.identity
            for poller in answer.pollers
            if now - poller.last_access_time.ToDatetime(tzinfo=UTC) < POLLED_RECENTLY
        }
        backlog += answer.stats.approximate_backlog_count
        oldest = max(oldest, answer.stats.approximate_backlog_age.ToTimedelta().total_seconds())
    return SeenQueue(name=name, pollers=len(identities), backlog=backlog, oldest_seconds=oldest if backlog else None)

"""Starting a workflow under an id that its caller chose: once, however often and from wherever it is asked for."""

import temporalio.client
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from outlive.errors import EngineUnavailable, RunError
from outlive.names import REQUEST_MEMO
from outlive.workflows.policies import WORKFLOW_TASK_TIMEOUT


async def start_once(
    temporal: temporalio.client.Client,
    workflow: str,
    argument: object,
    *,
    workflow_id: str,
    task_queue: str,
    digest: str,
    summary: str,
    priority: Priority = Priority.default,
) -> bool:
    """Start a workflow, or make sure that the one of this id, running or ended, is of the same request.

    Args:
        digest: What tells one request from another.
        summary: One line for a person.
        priority: What it waits with, where more waits than workers take.

    Returns:
        Whether it was started now.

    Raises:
        RunError: If the id stands for another request.
        EngineUnavailable: If no engine answers.
    """
    try:
        await temporal.start_workflow(
            workflow,
            argument,
            id=workflow_id,
            task_queue=task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            task_timeout=WORKFLOW_TASK_TIMEOUT,
            static_summary=summary,
            memo={REQUEST_MEMO: digest},
            priority=priority,
        )
    except WorkflowAlreadyStartedError as error:
        description = await temporal.get_workflow_handle(workflow_id).describe()
        if await description.memo_value(REQUEST_MEMO, default=digest) not in {digest, None}:
            raise RunError(
                f"The id {workflow_id!r} stands for another request. Take another id, or leave it out."
            ) from error
        return False
    except RPCError as error:
        raise EngineUnavailable(f"The engine did not start {workflow_id!r}: {error.message}.") from error
    return True

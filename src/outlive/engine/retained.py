"""Which runs the engine still has, and which namespace they are of."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, DescribeWorkflowExecutionRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from outlive.errors import HousekeepingAborted

LISTING_DELAY = timedelta(hours=1)
"""Longest time that a run may be missing from the engine's list after its start; most often it is a second."""
_CALL_TIMEOUT = timedelta(seconds=30)


async def read_namespace_id(client: Client) -> str:
    """Return what tells the client's namespace from any other, of this or another cluster or engine file.

    Raises:
        RPCError: If the engine does not answer, or has no such namespace.
    """
    request = DescribeNamespaceRequest(namespace=client.namespace)
    answer = await client.workflow_service.describe_namespace(request, timeout=_CALL_TIMEOUT)
    return answer.namespace_info.id


def describe_place(client: Client) -> str:
    """Return what a person calls the client's namespace."""
    return f"{client.namespace!r} at {client.service_client.config.target_host}"


async def retained_of(client: Client, workflow_ids: Iterable[str]) -> set[str]:
    """Return those of the workflow ids of which the engine has a run, open or closed.

    Raises:
        HousekeepingAborted: If the engine has a run that it does not list: its list cannot be relied on.
        RPCError: If the engine does not answer.
    """
    listed = {run.id async for run in client.list_workflows(rpc_timeout=_CALL_TIMEOUT)}
    found = set()
    for workflow_id in workflow_ids:
        if workflow_id in listed:
            found.add(workflow_id)
        elif (began := await _start_of(client, workflow_id)) is not None:
            if began < datetime.now(UTC) - LISTING_DELAY:
                raise HousekeepingAborted(
                    f"The engine has the run {workflow_id!r} of {began:%Y-%m-%d %H:%M} UTC, but does not list it: "
                    "there is no telling what else is still needed. Nothing was removed. Look into the engine's log."
                )
            found.add(workflow_id)
    return found


async def _start_of(client: Client, workflow_id: str) -> datetime | None:
    """Return when the latest run of a workflow id began; None where the engine has none."""
    execution = WorkflowExecution(workflow_id=workflow_id)
    asked = DescribeWorkflowExecutionRequest(namespace=client.namespace, execution=execution)
    try:
        answer = await client.workflow_service.describe_workflow_execution(asked, timeout=_CALL_TIMEOUT)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        return None
    return answer.workflow_execution_info.start_time.ToDatetime(UTC)

"""What the engine knows of all runs at once: how many are open, and which of them are stuck."""

import asyncio
from collections.abc import Sequence

from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from outlive.engine.health import ANSWER_TIMEOUT
from outlive.engine.run_health import run_health
from outlive.names import AGENT_WORKFLOW, PLAN_WORKFLOW
from outlive.settings import Settings

STUCK_RUNS = "TemporalReportedProblems IS NOT NULL AND ExecutionStatus = 'Running'"
EXPLAINING_SECONDS = 2.0  # that reading why a run is stuck may take


async def server_version(client: Client) -> str:
    """Return the version of the server.

    Raises:
        RPCError: If it does not answer.
    """
    answer = await client.workflow_service.get_system_info(GetSystemInfoRequest(), timeout=ANSWER_TIMEOUT)
    return answer.server_version


async def count_open(client: Client, workflow_type: str) -> int:
    """Return how many workflows of a type are open."""
    query = f"WorkflowType = '{workflow_type}' AND ExecutionStatus = 'Running'"
    return (await client.count_workflows(query, rpc_timeout=ANSWER_TIMEOUT)).count


async def stuck_runs(client: Client, *, limit: int) -> list[str]:
    """Return the workflow ids of runs of agents and plans whose code fails again and again, some of them."""
    query = f"{STUCK_RUNS} AND WorkflowType IN ('{AGENT_WORKFLOW}', '{PLAN_WORKFLOW}')"
    return await _ids(client, query, limit)


async def open_runs(client: Client, *, limit: int) -> list[str]:
    """Return the workflow ids of open runs of agents and plans, some of them."""
    query = f"ExecutionStatus = 'Running' AND WorkflowType IN ('{AGENT_WORKFLOW}', '{PLAN_WORKFLOW}')"
    return await _ids(client, query, limit)


async def problem_of(client: Client, settings: Settings, workflow_id: str) -> str | None:
    """Return what keeps a run from moving, and what to do; None where that is nothing by now."""
    try:
        async with asyncio.timeout(EXPLAINING_SECONDS):
            health = await run_health(client, settings, workflow_id)
    except TimeoutError:
        return f"The workflow's code fails again and again. `outlive show {workflow_id}` says more."
    return None if health is None else health.problem


async def _ids(client: Client, query: str, limit: int) -> list[str]:
    found: Sequence[str] = []
    try:
        rows = client.list_workflows(query, limit=limit, page_size=limit, rpc_timeout=ANSWER_TIMEOUT)
        found = [row.id async for row in rows]
    except RPCError as error:
        if error.status is not RPCStatusCode.INVALID_ARGUMENT:  # a server that knows no such attribute
            raise
    return list(found)

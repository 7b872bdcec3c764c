"""Whether code understands the runs that other code has begun: their histories, replayed by it."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass

from temporalio.client import Client, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Replayer

from outlive.app import App
from outlive.engine.connection import core_runtime
from outlive.registry import serve_agents, serve_plans
from outlive.settings import Settings
from outlive.worker.parts import workflow_runner
from outlive.workflows.batch import BatchWorkflow
from outlive.workflows.scheduled import ScheduledWorkflow


@dataclass(frozen=True, kw_only=True)
class Replayed:
    """One run whose history was replayed.

    Attributes:
        fault: Why the code cannot go on with it, in Temporal's words; None where it can.
    """

    workflow_id: str
    run_id: str
    fault: str | None


async def replay_runs(client: Client, app: App, settings: Settings, *, ended: int = 0) -> AsyncIterator[Replayed]:
    """Replay the runs of the app's task queue with the code of this process; nothing is done or recorded.

    Args:
        client: Connected to the project's engine or cluster, with its data converter.
        ended: How many of those that have ended are replayed too, the latest first.

    Raises:
        RPCError: If the engine does not answer.
    """
    replayer = _replayer(client, app)
    try:
        async with replayer.workflow_replay_iterator(_histories(client, settings, ended)) as results:
            async for result in results:
                failure = result.replay_failure
                yield Replayed(
                    workflow_id=result.history.workflow_id,
                    run_id=result.history.run_id,
                    fault=None if failure is None else _said(failure),
                )
    finally:
        serve_agents([])
        serve_plans([])


def _said(failure: Exception) -> str:
    """Return why a replay failed: the first message in the debug output of Temporal's core, where it is that."""
    found = re.search(r'message: ("(?:[^"\\]|\\.)*")', str(failure))
    if found is None:
        return str(failure)
    try:
        return str(json.loads(found[1]))
    except ValueError:  # escapes that JSON does not have
        return found[1].strip('"')


def _replayer(client: Client, app: App) -> Replayer:
    workflows: list[type] = [BatchWorkflow, ScheduledWorkflow, *app.registry.workflows]
    plugins = []
    if app.registry.agents or app.registry.plans:
        from pydantic_ai.durable_exec.temporal import PydanticAIPlugin

        from outlive.agents.serving import FAILURES, Served
        from outlive.worker.agents import WORKFLOWS

        serve_agents([Served(agent) for agent in app.registry.agents.values()], failures=FAILURES)
        serve_plans(app.registry.plans.values())
        workflows += WORKFLOWS
        plugins.append(PydanticAIPlugin())
    return Replayer(
        workflows=workflows,
        data_converter=client.data_converter,
        workflow_runner=workflow_runner(),
        plugins=plugins,
        runtime=core_runtime(),
    )


async def _histories(client: Client, settings: Settings, ended: int) -> AsyncIterator[WorkflowHistory]:
    queue = settings.task_queue.replace("\\", "\\\\").replace("'", "\\'")
    wanted: list[tuple[str, int | None]] = [(f"TaskQueue = '{queue}' AND ExecutionStatus = 'Running'", None)]
    if ended:
        wanted.append((f"TaskQueue = '{queue}' AND ExecutionStatus != 'Running'", ended))
    for query, limit in wanted:
        async for execution in client.list_workflows(query, limit=limit):
            handle = client.get_workflow_handle(execution.id, run_id=execution.run_id)
            try:
                yield await handle.fetch_history()
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:  # else it was removed meanwhile
                    raise

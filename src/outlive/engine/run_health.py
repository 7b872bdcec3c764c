"""What the engine knows about an agent's run: where it stands, what it waits for, what keeps it from moving."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from temporalio.client import Client, WorkflowExecution, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey
from temporalio.service import RPCError, RPCStatusCode

from outlive.contracts.agents import Question
from outlive.engine.health import ANSWER_TIMEOUT, count_pollers
from outlive.engine.home import Home
from outlive.engine.presence import Presence
from outlive.engine.sealing import reveal_failures
from outlive.engine.stuck import failing_code, is_unregistered, unserved
from outlive.errors import OutliveError, RunError, RunUnknown
from outlive.names import (
    AGENT_WORKFLOW,
    AGENT_WORKFLOW_ID_PREFIX,
    BEGAN_MEMO,
    CONVERSATION_SUMMARY,
    STATE_MEMO,
    agent_workflow_id,
    split_agent_workflow_id,
)
from outlive.settings import Settings

RUNNING = WorkflowExecutionStatus.RUNNING
MOST_LISTED = 1_000  # runs of one answer of the engine
SERVED_LOOK_SECONDS = 0.1
REPORTED_PROBLEMS = SearchAttributeKey.for_keyword_list("TemporalReportedProblems")


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A call that has failed, or lost its worker, and is to be made again.

    Attributes:
        name: Of the activity, as people read it.
        next_at: When it is made again, where that is known.
    """

    name: str
    attempt: int
    reason: str
    next_at: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class RunHealth:
    """What the engine says about a run.

    Attributes:
        workflow_status: Temporal's word for it, such as ``RUNNING``.
        state: ``running``, ``parked``, ``stuck``, ``completed``, ``failed``, ``cancelled`` or ``terminated``.
        problem: One sentence for a person, where something keeps the run from moving; what to do is in it.
        questions: What a parked run waits for.
        waiting: Calls that are being tried again.
        started_at: When its first run was started.
        taken_by: Who speaks in the agent's place; empty where it speaks itself.
        is_conversation: Whether it waits for further messages after a turn; only of one that is asked about by its id.
    """

    workflow_id: str
    workflow_status: str
    state: str
    problem: str | None = None
    questions: list[Question] = field(default_factory=list)
    waiting: list[Waiting] = field(default_factory=list)
    started_at: datetime | None = None
    closed_at: datetime | None = None
    taken_by: str = ""
    is_conversation: bool = False

    @property
    def is_closed(self) -> bool:
        """Whether the run is over."""
        return self.workflow_status not in {"RUNNING", "CONTINUED_AS_NEW", "PAUSED"}


async def run_health(client: Client, settings: Settings, workflow_id: str) -> RunHealth | None:
    """Ask the engine about a run; None where there is none of this id.

    Raises:
        RPCError: If the engine does not answer.
    """
    try:
        description = await client.get_workflow_handle(workflow_id).describe(rpc_timeout=ANSWER_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    return await health_of(client, settings, description)


async def health_of(client: Client, settings: Settings, description: WorkflowExecutionDescription) -> RunHealth:
    """Return what a description says about its run, and what keeps it from moving.

    Raises:
        RPCError: If the engine does not answer.
    """
    await reveal_failures(client, description)
    status = description.status or WorkflowExecutionStatus.RUNNING
    if status is not WorkflowExecutionStatus.RUNNING:
        return await _health(description, state=CLOSED_STATES.get(status, status.name.lower()))
    questions = await read_questions(description)
    problem = await _problem(client, settings, description)
    state = "stuck" if problem else "parked" if questions else "running"
    return await _health(description, state=state, questions=questions, problem=problem, waiting=_waiting(description))


CLOSED_STATES = {
    WorkflowExecutionStatus.COMPLETED: "completed",
    WorkflowExecutionStatus.FAILED: "failed",
    WorkflowExecutionStatus.CANCELED: "cancelled",
    WorkflowExecutionStatus.TERMINATED: "terminated",
    WorkflowExecutionStatus.TIMED_OUT: "timed out",
}


async def list_runs(
    client: Client,
    *,
    agent: str | None = None,
    states: Sequence[str] = (),
    since: datetime | None = None,
    limit: int = 100,
    workflow_type: str = AGENT_WORKFLOW,
    begins: str = "",
) -> AsyncIterator[RunHealth]:
    """Yield the runs that the engine has, the latest first, each as the list itself tells.

    Args:
        since: Only those whose first run was started after this.
        workflow_type: Of the runs; those of agents by default.
        begins: What their workflow ids begin with.
    """
    begins = begins or ("" if agent is None else agent_workflow_id(agent, ""))
    query = runs_query([workflow_type], begins=[begins] if begins else [], since=since)
    count = 0
    page_size = MOST_LISTED if states else min(limit, MOST_LISTED)
    async for execution in client.list_workflows(query, page_size=page_size):
        found = await listed_run(execution, states=states, since=since)
        if found is None:
            continue
        yield found
        count += 1
        if count >= limit:
            return


def runs_query(workflow_types: Sequence[str], *, begins: Sequence[str] = (), since: datetime | None = None) -> str:
    """Return the query for the runs of workflows of some types, each run once, whatever it continued as.

    Args:
        begins: What their workflow ids begin with: with one of these.
    """
    query = [_any_of(f"WorkflowType = {_quoted(name)}" for name in workflow_types)]
    query.append('ExecutionStatus != "ContinuedAsNew"')
    if begins:
        query.append(_any_of(f"WorkflowId STARTS_WITH {_quoted(beginning)}" for beginning in begins))
    if since is not None:
        query.append(f'StartTime > "{since.astimezone(UTC).isoformat()}"')
    return " AND ".join(query)


async def listed_run(
    execution: WorkflowExecution, *, states: Sequence[str] = (), since: datetime | None = None
) -> RunHealth | None:
    """Return a run as a row of a list tells; None where it is in none of these states, or began before."""
    began = await read_beginning(execution)
    if since is not None and began < since.astimezone(UTC):  # it has continued as new since then
        return None
    status = execution.status or WorkflowExecutionStatus.RUNNING
    questions = await read_questions(execution)
    stuck = execution.typed_search_attributes.get(REPORTED_PROBLEMS) if status is RUNNING else None
    open_state = "stuck" if stuck else "parked" if questions else "running"
    state = CLOSED_STATES.get(status, open_state)
    if states and state not in states:
        return None
    return RunHealth(
        workflow_id=execution.id,
        workflow_status=status.name,
        state=state,
        problem="; ".join(stuck) if stuck else None,
        questions=questions if status is RUNNING else [],
        started_at=began,
        closed_at=execution.close_time,
    )


def _any_of(conditions: Iterable[str]) -> str:
    found = list(conditions)
    return found[0] if len(found) == 1 else f"({' OR '.join(found)})"


def _quoted(text: str) -> str:
    """Return a text as the engine's query language has it: whatever it holds, it stays a text."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


async def find_run(client: Client, run_id: str, *, agent: str | None = None) -> str:
    """Return the workflow id of the run that an id means: the caller's own, ``AGENT/ID``, or the whole.

    Raises:
        RunError: If there is none, or it may mean several.
    """
    whole = run_id if run_id.startswith(AGENT_WORKFLOW_ID_PREFIX) else f"{AGENT_WORKFLOW_ID_PREFIX}{run_id}"
    if agent is not None:
        whole = agent_workflow_id(agent, run_id)
    if "/" in whole.removeprefix(AGENT_WORKFLOW_ID_PREFIX) and await run_exists(client, whole):
        return whole
    query = f'WorkflowType = "{AGENT_WORKFLOW}" AND ExecutionStatus != "ContinuedAsNew"'
    ids = {found.id async for found in client.list_workflows(query) if _short_id(found.id) == run_id}
    if len(ids) == 1:
        return ids.pop()
    if ids:
        raise RunError(f"{run_id!r} may mean {', '.join(sorted(ids))}. Write agent and id, as in `AGENT/{run_id}`.")
    raise RunUnknown(f"There is no run {run_id!r}. `outlive runs` lists those of this project.")


async def run_exists(client: Client, workflow_id: str) -> bool:
    """Return whether the engine has a workflow of this id."""
    try:
        await client.get_workflow_handle(workflow_id).describe(rpc_timeout=ANSWER_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return True


def _short_id(workflow_id: str) -> str | None:
    parts = split_agent_workflow_id(workflow_id)
    return parts[1] if parts else None


async def read_questions(execution: Any) -> list[Question]:
    """Return the questions that a run's memo holds, from a description or a row of a list."""
    memo = await execution.memo_value(STATE_MEMO, default=None)
    return [Question(**question) for question in (memo or {}).get("questions", [])]


async def _taken_by(execution: Any) -> str:
    memo = await execution.memo_value(STATE_MEMO, default=None)
    return (memo or {}).get("taken_by") or ""


async def read_beginning(execution: Any) -> datetime:
    """Return when the first run of a chain was started, from a description or a row of a list of any of its runs."""
    began = await execution.memo_value(BEGAN_MEMO, default=None)
    started: datetime = execution.start_time
    return started if began is None else datetime.fromisoformat(began)


async def _health(description: WorkflowExecutionDescription, *, state: str, **more: Any) -> RunHealth:
    status = description.status or WorkflowExecutionStatus.RUNNING
    return RunHealth(
        workflow_id=description.id,
        workflow_status=status.name,
        state=state,
        started_at=await read_beginning(description),
        closed_at=description.close_time,
        taken_by=await _taken_by(description),
        is_conversation=await description.static_summary() == CONVERSATION_SUMMARY,
        **more,
    )


async def _problem(client: Client, settings: Settings, description: WorkflowExecutionDescription) -> str | None:
    raw = description.raw_description
    presence = Presence(Home(settings.home))
    if problem := await worker_problem(client, settings, description.task_queue):
        return problem
    served = presence.served(description.task_queue) if presence.is_complete else None
    if problem := unserved(description, served):
        return problem
    if raw.HasField("pending_workflow_task") and raw.pending_workflow_task.attempt > 1:
        return await failing_code(client, description, served)
    return None


async def worker_problem(client: Client, settings: Settings, task_queue: str) -> str | None:
    """Return that no worker serves a task queue, in one sentence; None where one does."""
    presence = Presence(Home(settings.home))
    if presence.is_complete:  # noqa: SIM108 - two ways of counting, one line each
        served = presence.count(task_queue) > 0
    else:
        served = await count_pollers(client, task_queue) > 0
    return None if served else f"No worker polls the task queue {task_queue!r}. Start one with `outlive up`."


async def until_served(connection: Callable[[], Awaitable[Client]], settings: Settings) -> None:
    """Return once a worker serves the project's task queue; an engine that dies meanwhile is waited for."""
    while True:
        with suppress(RPCError, OutliveError):
            if await worker_problem(await connection(), settings, settings.task_queue) is None:
                return
        await asyncio.sleep(SERVED_LOOK_SECONDS)


def _waiting(description: WorkflowExecutionDescription) -> list[Waiting]:
    found = []
    for pending in description.raw_description.pending_activities:
        if pending.attempt > 1:
            at = (
                pending.next_attempt_schedule_time.ToDatetime(tzinfo=UTC)
                if pending.HasField("next_attempt_schedule_time")
                else None
            )
            failure = pending.last_failure
            reason = "its worker died" if failure.HasField("timeout_failure_info") else failure.message
            reason = "no worker serves it" if is_unregistered(failure) else reason
            name = pending.activity_type.name
            found.append(Waiting(name=name, attempt=pending.attempt, reason=reason, next_at=at))
    return found

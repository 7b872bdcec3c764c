"""The schedules of a project: added, listed, paused, triggered, removed. Temporal keeps and runs them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pydantic_core import to_json
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionResult,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleDescription,
    ScheduleState,
    WorkflowFailureError,
)
from temporalio.service import RPCError, RPCStatusCode

from outlive.contracts.starts import AgentStart, BatchStart, PlanStart, ScheduledStart
from outlive.documents.entries import is_url
from outlive.engine.run_health import run_health
from outlive.errors import EngineUnavailable, ScheduleError, ScheduleUnknown
from outlive.names import (
    SCHEDULED_WORKFLOW,
    agent_workflow_id,
    batch_workflow_id,
    plan_workflow_id,
    scheduled_run_id,
    scheduled_workflow_id,
)
from outlive.runs import Connection
from outlive.schedules.timing import Timing, overlap_of
from outlive.workflows.policies import WORKFLOW_TASK_TIMEOUT

Start = AgentStart | PlanStart | BatchStart

SCHEDULE_MEMO = "outlive_schedule"
LONGEST_ID = 100
TRIGGERED_SECONDS = 20.0
LOOK_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class ScheduledRun:
    """A start that a schedule has made.

    Attributes:
        workflow_id: Of the run: ``agent/desk/nightly-2026-05-31T02:00:00Z``.
        at: The time that it was for.
        state: As of any run; None where it was not asked for.
        problem: What keeps it from starting or moving, or why it has failed.
    """

    workflow_id: str
    at: datetime
    state: str | None = None
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class ScheduleView:
    """A schedule as it stands.

    Attributes:
        what: What it starts, for a person: ``agent desk``.
        when: Its times, for a person.
        next_at: Its next times.
        start: What it starts; None in a list.
        started: How many runs it has started.
        skipped: How many times were skipped since an earlier run went on.
        missed: How many were missed, and are too long ago to be made up for.
        recent: The last runs, the oldest first.
    """

    id: str
    what: str
    when: str
    is_paused: bool
    note: str = ""
    next_at: Sequence[datetime] = ()
    start: Start | None = None
    started: int = 0
    skipped: int = 0
    missed: int = 0
    recent: Sequence[ScheduledRun] = ()


class Schedules:
    """Any number of these to the same project, in any process, show the same."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        """Take what opens a client of the project; it is called with each request."""
        self._connect = connect

    async def add(
        self, schedule_id: str, start: Start, timing: Timing, *, note: str = "", is_paused: bool = False
    ) -> bool:
        """Add a schedule; the same one again changes nothing.

        Args:
            schedule_id: What its runs are called too, with the time behind it.
            start: What it starts. The path of a batch's source is taken from the folder of this process.
            note: A word with it, for people.

        Returns:
            Whether it was added now.

        Raises:
            ScheduleError: If the id stands for another schedule, or its times cannot be used.
        """
        _check_id(schedule_id)
        if isinstance(start, BatchStart):
            start = replace(start, source=_absolute(start.source))
        client = await self._connect()
        temporal = await client.temporal()
        argument = ScheduledStart.of(start)
        digest = hashlib.sha256(to_json([argument, timing])).hexdigest()[:32]
        schedule = Schedule(
            action=ScheduleActionStartWorkflow(
                SCHEDULED_WORKFLOW,
                argument,
                id=scheduled_workflow_id(schedule_id),
                task_queue=client.settings.task_queue,
                task_timeout=WORKFLOW_TASK_TIMEOUT,
                static_summary=_what(start),
            ),
            spec=timing.spec,
            policy=timing.policy,
            state=ScheduleState(note=note or None, paused=is_paused),
        )
        memo = {SCHEDULE_MEMO: {"what": _what(start), "when": timing.text, "digest": digest}}
        try:
            async with _answered(schedule_id):
                await temporal.create_schedule(schedule_id, schedule, memo=memo)
        except ScheduleAlreadyRunningError as error:
            async with _answered(schedule_id):
                found = await temporal.get_schedule_handle(schedule_id).describe()
            if (await found.memo_value(SCHEDULE_MEMO, default={})).get("digest") != digest:
                raise ScheduleError(
                    f"There is another schedule {schedule_id!r}. Remove it first with "
                    f"`outlive schedule remove {schedule_id}`, or take another id."
                ) from error
            return False
        return True

    async def list(self) -> list[ScheduleView]:
        """Return all schedules of the namespace that start something of ours, by their ids."""
        temporal = await (await self._connect()).temporal()
        found = []
        async with _answered(""):
            async for listed in await temporal.list_schedules():
                memo = await listed.memo_value(SCHEDULE_MEMO, default=None)
                if memo is None or listed.schedule is None:
                    continue
                state, info = listed.schedule.state, listed.info
                found.append(
                    ScheduleView(
                        id=listed.id,
                        what=memo["what"],
                        when=memo["when"],
                        is_paused=state.paused,
                        note=state.note or "",
                        next_at=tuple(info.next_action_times) if info else (),
                    )
                )
        return sorted(found, key=lambda view: view.id)

    async def get(self, schedule_id: str) -> ScheduleView:
        """Return a schedule with its last runs, and what keeps them from moving.

        Raises:
            ScheduleUnknown: If there is none of this id.
        """
        client = await self._connect()
        temporal = await client.temporal()
        found = await self._described(temporal, schedule_id)
        memo = await found.memo_value(SCHEDULE_MEMO, default=None)
        if memo is None:
            raise ScheduleUnknown(f"The schedule {schedule_id!r} starts nothing of Outlive's.")
        start = await _start_of(temporal, found)
        info = found.info
        return ScheduleView(
            id=schedule_id,
            what=memo["what"],
            when=memo["when"],
            is_paused=found.schedule.state.paused,
            note=found.schedule.state.note or "",
            next_at=tuple(info.next_action_times),
            start=start,
            started=info.num_actions,
            skipped=info.num_actions_skipped_overlap,
            missed=info.num_actions_missed_catchup_window,
            recent=[await _run_of(client, temporal, start, action) for action in info.recent_actions],
        )

    async def pause(self, schedule_id: str, *, note: str = "") -> None:
        """Let a schedule start nothing until it is resumed. What runs goes on."""
        temporal = await (await self._connect()).temporal()
        async with _answered(schedule_id):
            await temporal.get_schedule_handle(schedule_id).pause(note=note or None)

    async def resume(self, schedule_id: str, *, note: str = "") -> None:
        """Let a paused schedule go on with its next time."""
        temporal = await (await self._connect()).temporal()
        async with _answered(schedule_id):
            await temporal.get_schedule_handle(schedule_id).unpause(note=note or None)

    async def trigger(self, schedule_id: str, *, overlap: str | None = None) -> str | None:
        """Start a run now, also where the schedule is paused.

        Args:
            overlap: What happens where an earlier run goes on, in place of the schedule's own policy.

        Returns:
            The workflow id of the run; None where it waits for its turn, or the engine did not say within 20 seconds.

        Raises:
            ScheduleError: If it was skipped, since an earlier run goes on.
        """
        temporal = await (await self._connect()).temporal()
        handle = temporal.get_schedule_handle(schedule_id)
        policy = None if overlap is None else overlap_of(overlap)
        before = await self._described(temporal, schedule_id)
        known = {_starter(action) for action in before.info.recent_actions}
        deadline = asyncio.get_running_loop().time() + TRIGGERED_SECONDS
        while True:
            async with _answered(schedule_id):
                await handle.trigger(overlap=policy)
            while (found := await self._described(temporal, schedule_id)).info.num_actions == before.info.num_actions:
                if found.info.num_actions_skipped_overlap > before.info.num_actions_skipped_overlap:
                    raise ScheduleError(
                        f"An earlier run of {schedule_id!r} goes on, so that nothing was started. "
                        "Wait for its end, or start one beside it with the overlap `allow_all`."
                    )
                if asyncio.get_running_loop().time() > deadline:
                    return None
                await asyncio.sleep(LOOK_SECONDS)
            last = found.info.recent_actions[-1]
            if _starter(last) not in known:
                return _run_id(await _start_of(temporal, found), last)
            before = found  # two in one second are one: a start is called by its second
            await asyncio.sleep(1.0)

    async def remove(self, schedule_id: str) -> None:
        """Remove a schedule. What it has started goes on."""
        temporal = await (await self._connect()).temporal()
        async with _answered(schedule_id):
            await temporal.get_schedule_handle(schedule_id).delete()

    async def _described(self, temporal: Client, schedule_id: str) -> ScheduleDescription:
        async with _answered(schedule_id):
            return await temporal.get_schedule_handle(schedule_id).describe()


@asynccontextmanager
async def _answered(schedule_id: str) -> AsyncIterator[None]:
    try:
        yield
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise ScheduleUnknown(
                f"There is no schedule {schedule_id!r}. `outlive schedule list` shows those that there are."
            ) from error
        if error.status is RPCStatusCode.INVALID_ARGUMENT:
            raise ScheduleError(f"The engine does not take schedule {schedule_id!r}: {error.message}.") from error
        raise EngineUnavailable(
            f"The engine did not answer: {error.message}. `outlive doctor` tells what is wrong."
        ) from error


async def _start_of(temporal: Client, found: ScheduleDescription) -> Start:
    action = found.schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    (argument,) = await temporal.data_converter.decode(action.args, [ScheduledStart])
    assert isinstance(argument, ScheduledStart)
    return argument.start


async def _run_of(client: Connection, temporal: Client, start: Start, action: ScheduleActionResult) -> ScheduledRun:
    """Return a run; what keeps it from being started is said by the workflow that starts it."""
    run_id, starter = _run_id(start, action), _starter(action)
    found = ScheduledRun(workflow_id=run_id, at=action.scheduled_at)
    async with _answered(run_id):
        health = await run_health(temporal, client.settings, run_id) or await run_health(
            temporal, client.settings, starter
        )
    if health is None:
        return replace(found, state="forgotten")
    problem = health.problem or next((waiting.reason for waiting in health.waiting), None)
    if health.state == "failed":
        try:
            await temporal.get_workflow_handle(starter).result()
        except WorkflowFailureError as error:
            problem = _innermost(error)
    return replace(found, state=health.state, problem=problem)


def _innermost(error: BaseException) -> str:
    while (cause := getattr(error, "cause", None)) is not None:
        error = cause
    return str(getattr(error, "message", error))


def _run_id(start: Start, action: ScheduleActionResult) -> str:
    run_id = scheduled_run_id(_starter(action))
    if isinstance(start, AgentStart):
        return agent_workflow_id(start.agent, run_id)
    return plan_workflow_id(start.plan, run_id) if isinstance(start, PlanStart) else batch_workflow_id(run_id)


def _starter(action: ScheduleActionResult) -> str:
    assert isinstance(action.action, ScheduleActionExecutionStartWorkflow)
    return action.action.workflow_id


def _what(start: Start) -> str:
    if isinstance(start, AgentStart):
        return f"agent {start.agent}"
    return f"plan {start.plan}" if isinstance(start, PlanStart) else f"batch {start.function}"


def _absolute(source: str) -> str:
    if source == "-":
        raise ScheduleError("A schedule cannot read standard input. Name a file, folder, glob or URL.")
    return source if is_url(source) else str(Path(source).expanduser().absolute())


def _check_id(schedule_id: str) -> None:
    if not schedule_id.strip() or not schedule_id.isprintable() or "/" in schedule_id or len(schedule_id) > LONGEST_ID:
        raise ScheduleError(
            f"{schedule_id!r} cannot be the id of a schedule. Give one of at most {LONGEST_ID} characters without a "
            "slash, such as `nightly`."
        )

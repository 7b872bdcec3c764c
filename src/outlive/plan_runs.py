"""Runs of plans in the hands of an application: start, follow, decide, read the result, and take back what was done."""

import dataclasses
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import temporalio.client
from pydantic_core import to_json
from temporalio.client import WorkflowFailureError
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.service import RPCError

from outlive.contracts.agents import Question
from outlive.contracts.events import EventKind, RunEvent
from outlive.contracts.plans import PlanInput, PlanOutcome, UndoInput, UndoOutcome
from outlive.effects.recorded import decoded
from outlive.engine.connection import result_of
from outlive.engine.run_health import RunHealth, list_runs, read_questions, run_exists, run_health
from outlive.errors import EngineUnavailable, RunError, RunUnknown
from outlive.ledger.effects import EffectRecord
from outlive.names import (
    PLAN_WORKFLOW,
    PLAN_WORKFLOW_ID_PREFIX,
    UNDO_WORKFLOW,
    plan_workflow_id,
    split_plan_workflow_id,
    undo_workflow_id,
)
from outlive.plans.declaring import PlanFunction
from outlive.plans.undoing import Undos, family
from outlive.registry import Registry
from outlive.runs import Connection, RunHandle
from outlive.starting import start_once
from outlive.workflows.policies import WORKFLOW_TASK_TIMEOUT

PAGE = 500  # effects read from the ledger at a time


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question of a plan's run, of one of its waves, or of its undoing.

    Attributes:
        workflow_id: Which of them asks.
    """

    workflow_id: str
    question: Question


class PlanHandle(RunHandle[Any]):
    """One run of a plan. Any number of handles to the same run, in any process, are the same.

    Attributes:
        plan: Name of the plan.
        run_id: The caller's id.
    """

    def __init__(
        self, client: Connection, workflow_id: str, plan: PlanFunction | None = None, *, is_new: bool = False
    ) -> None:
        super().__init__(client, workflow_id, None if plan is None else plan.outputs, is_new=is_new)
        self.plan, self.run_id = split_plan_workflow_id(workflow_id) or ("", workflow_id)

    async def result(self) -> Any:
        """Wait for the end of the run, through restarts of anything, and return what the plan returned.

        Returns:
            A value of the plan's output type; JSON values where the plan is not known to the caller.

        Raises:
            RunFailed: If it failed, or was cancelled or terminated.
            RunError: If there is no such run.
        """
        temporal = await self._client.temporal()
        handle = temporal.get_workflow_handle(self.workflow_id, result_type=PlanOutcome)
        try:
            outcome = await result_of(handle)
        except WorkflowFailureError as error:
            raise self._failure(error) from error
        except RPCError as error:
            raise self._refused(error) from error
        return self._typed(outcome.output)

    async def effects(self, *, limit: int = 1_000) -> list[EffectRecord]:
        """Return what the plan and its waves have done, or would do, in the order of their beginnings."""
        ledger = self._client.ledger
        return await ledger.call(ledger.plans.tree, self.workflow_id, limit=limit)

    async def asked(self) -> list[Asked]:
        """Return what it waits for, its waves' and its undoing's questions included."""
        temporal = await self._client.temporal()
        own = (await self.status()).questions
        found = [Asked(workflow_id=self.workflow_id, question=question) for question in own]
        children = f'ParentWorkflowId = "{self.workflow_id}" AND ExecutionStatus = "Running"'
        async for child in temporal.list_workflows(children):
            found += [Asked(workflow_id=child.id, question=question) for question in await read_questions(child)]
        return found

    async def decide(self, choice: str, *, question_id: str | None = None, value: Any = None, by: str = "") -> None:
        """Choose what it does, or one of its waves, or its undoing. As of any run; see `asked`."""
        concerned = [one for one in await self.asked() if question_id in {None, one.question.question_id}]
        for workflow_id in {one.workflow_id for one in concerned} or {self.workflow_id}:
            handle: RunHandle[Any] = RunHandle(self._client, workflow_id)
            await handle.decide(choice, question_id=question_id, value=value, by=by)

    async def logged(self, *, limit: int = 10_000) -> list[RunEvent]:
        """Return what the plan has said of how it gets on."""
        events = await self._client.streams.read(self.workflow_id, limit=limit)
        return [event for event in events if event.kind == EventKind.LOGGED]

    async def arguments(self, record: EffectRecord) -> Any:
        """Return the arguments of an effect, as JSON."""
        temporal = await self._client.temporal()
        return await decoded(temporal.data_converter, record.arguments)

    async def counts(self) -> dict[tuple[str, str], int]:
        """Return how many of its effects stand where, by name and state."""
        ledger = self._client.ledger
        return await ledger.call(ledger.plans.counts, self.workflow_id)


async def start_plan(
    client: Connection, plan: PlanFunction, request: Any, *, run_id: str, is_shadow: bool
) -> PlanHandle:
    """Start a run of a plan, or return the one that the same id stands for.

    Raises:
        RunError: If the input does not fit, or the id stands for another request.
        EngineUnavailable: If no engine answers.
    """
    if not run_id or "/" in run_id:
        raise RunError(f"The id {run_id!r} is empty, or has a slash in it. Take another one.")
    asked, digest = plan_input(plan, request, is_shadow=is_shadow)
    workflow_id = plan_workflow_id(plan.name, run_id)
    is_new = await start_once(
        await client.temporal(),
        PLAN_WORKFLOW,
        asked,
        workflow_id=workflow_id,
        task_queue=client.settings.task_queue,
        digest=digest,
        summary=plan_summary(plan, is_shadow=is_shadow),
    )
    return PlanHandle(client, workflow_id, plan, is_new=is_new)


def plan_input(plan: PlanFunction, request: Any, *, is_shadow: bool) -> tuple[PlanInput, str]:
    """Return the argument with which a run of a plan is started, and what tells one request from another.

    Raises:
        RunError: If the input does not fit.
    """
    asked = PlanInput(plan=plan.name, argument=plan.input_as_json(request), is_shadow=is_shadow)
    return asked, hashlib.sha256(to_json([asked.plan, asked.argument, asked.is_shadow])).hexdigest()[:32]


def plan_summary(plan: PlanFunction, *, is_shadow: bool) -> str:
    """Return one line for a person about a run of a plan."""
    return f"{'rehearse ' if is_shadow else ''}{plan.summary or plan.name}"[:180]


async def list_plans(temporal: temporalio.client.Client, *, limit: int = 100) -> AsyncIterator[RunHealth]:
    """Yield the runs of plans that the engine has, the latest first."""
    async for found in list_runs(temporal, limit=limit, workflow_type=PLAN_WORKFLOW):
        yield found


async def find_plan(temporal: temporalio.client.Client, run_id: str) -> str:
    """Return the workflow id of the plan's run that an id means: the caller's own, ``PLAN/ID``, or the whole.

    Raises:
        RunError: If there is none, or it may mean several.
    """
    whole = run_id if run_id.startswith(PLAN_WORKFLOW_ID_PREFIX) else f"{PLAN_WORKFLOW_ID_PREFIX}{run_id}"
    if split_plan_workflow_id(whole) and await run_exists(temporal, whole):
        return whole
    ids = set()
    async for found in temporal.list_workflows(f'WorkflowType = "{PLAN_WORKFLOW}"'):
        if (split_plan_workflow_id(found.id) or ("", ""))[1] == run_id:
            ids.add(found.id)
    if len(ids) == 1:
        return ids.pop()
    if ids:
        raise RunError(f"{run_id!r} may mean {', '.join(sorted(ids))}. Write plan and id, as in `PLAN/{run_id}`.")
    raise RunUnknown(f"There is no run of a plan {run_id!r}. `outlive plan list` shows those of this project.")


class UndoClient(Connection, Protocol):
    """What undoing needs of an `outlive.Client`."""

    @property
    def registry(self) -> Registry:
        """What the app declares."""
        ...


@dataclass(frozen=True, kw_only=True)
class UndoPreview:
    """What would be taken back of a run.

    Attributes:
        undoable: The effects that would be, the latest first.
        undone: How many were taken back before.
        left: Those that cannot be: they declare no undo, or nobody knows whether they happened.
    """

    undoable: list[EffectRecord] = field(default_factory=list)
    undone: int = 0
    left: list[EffectRecord] = field(default_factory=list)


async def preview_undo(client: UndoClient, workflow_id: str) -> UndoPreview:
    """Return what `undo_run` would take back, changing nothing."""
    workflow_ids: Sequence[str] = await family(await client.temporal(), workflow_id)
    undos, book = Undos(client.registry), client.ledger.plans
    found, before = UndoPreview(), None
    while page := await client.ledger.call(book.done, workflow_ids, before=before, limit=PAGE):
        before = (page[-1].ended_at, page[-1].record.effect_key)
        undoable = [one for one in page if undos.can_undo(one.record)]
        found = dataclasses.replace(
            found,
            undoable=found.undoable + [one.record for one in undoable if not one.is_undone],
            undone=found.undone + sum(one.is_undone for one in undoable),
            left=found.left + [one.record for one in page if not undos.can_undo(one.record)],
        )
    return found


async def undo_run(client: Connection, workflow_id: str) -> "UndoHandle":
    """Start to take back what a run and its children have done, the latest first; or return the undoing that goes on.

    Raises:
        RunError: If there is no such run, or it has not ended.
        EngineUnavailable: If no engine answers.
    """
    temporal = await client.temporal()
    health = await run_health(temporal, client.settings, workflow_id)
    if health is None:
        raise RunUnknown(f"There is no run {workflow_id!r}.")
    if not health.is_closed:
        raise RunError(f"Run {workflow_id!r} has not ended: it may do more. Cancel it first, then undo it.")
    undo_id = undo_workflow_id(workflow_id)
    try:
        await temporal.start_workflow(
            UNDO_WORKFLOW,
            UndoInput(workflow_id=workflow_id),
            id=undo_id,
            task_queue=client.settings.task_queue,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
            task_timeout=WORKFLOW_TASK_TIMEOUT,
            static_summary=f"take back what {workflow_id} has done"[:180],
        )
    except RPCError as error:
        raise EngineUnavailable(f"The engine did not start {undo_id!r}: {error.message}.") from error
    return UndoHandle(client, undo_id)


class UndoHandle(RunHandle[Any]):
    """One undoing: `status`, `decide` and `cancel` as of any run."""

    async def result(self) -> Any:
        """Wait for its end, and return the `UndoOutcome`.

        Raises:
            RunFailed: If a person stopped it, or it was cancelled or terminated.
        """
        temporal = await self._client.temporal()
        handle = temporal.get_workflow_handle(self.workflow_id, result_type=UndoOutcome)
        try:
            return await result_of(handle)
        except WorkflowFailureError as error:
            raise self._failure(error) from error
        except RPCError as error:
            raise self._refused(error) from error

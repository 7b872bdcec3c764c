"""The workflow behind every plan: runs the user's function, and says what becomes of its effects when it fails.

The function itself is not here: the registry holds it. It is workflow code, and reaches the world through what it is
given: see `outlive.plans.plan.Plan`.
"""

from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

from outlive.contracts.agents import Choice, HandOffKind, RunNote
from outlive.contracts.events import EventKind
from outlive.contracts.plans import PlanInput, PlanOutcome, UndoInput, UndoOutcome
from outlive.errors import EffectFailed, PlanFailed
from outlive.names import PLAN_START_PATCH, PLAN_WORKFLOW, UNDO_WORKFLOW, undo_workflow_id
from outlive.workflows import calls, policies
from outlive.workflows.handoff import HandOffs

with workflow.unsafe.imports_passed_through():
    from outlive import registry


@workflow.defn(name=PLAN_WORKFLOW, sandboxed=False)
class PlanWorkflow:
    """Runs one plan."""

    @workflow.init
    def __init__(self, run: PlanInput) -> None:
        self.input = run
        self.hand_offs = HandOffs()
        self.in_flight = 0
        self._notes = 0
        self._is_undone = False

    @workflow.run
    async def run(self, run: PlanInput) -> PlanOutcome:
        """Run the plan's function to its end."""
        plan = registry.served_plan(run.plan)
        if workflow.patched(PLAN_START_PATCH):
            await self.note(EventKind.RUN_STARTED)
        try:
            output = await plan.run(self, run.argument)
        except (FailureError, EffectFailed, PlanFailed) as error:
            if is_cancelled_exception(error):
                raise
            await self._failed(error, undoes=plan.undoes_on_failure)
            raise _ended_by(error) from error
        await self.note(EventKind.RUN_ENDED, output=output)
        await self._finished()
        return PlanOutcome(output=output)

    # What the plan's function reaches the world through.

    async def note(self, kind: EventKind, **data: Any) -> None:
        """Tell the readers of the run of something, once, whatever dies meanwhile."""
        self._notes += 1
        note_id = f"{workflow.info().run_id[:8]}-{self._notes}"
        await calls.note_run(RunNote(kind=kind, note_id=note_id, data=data))

    async def undo(self) -> UndoOutcome:
        """Take back what the plan has done so far, once nothing of it is in flight any more."""
        await workflow.wait_condition(lambda: self.in_flight == 0)
        workflow_id = workflow.info().workflow_id
        child_id = undo_workflow_id(workflow_id)
        await self.note(EventKind.CHILD_STARTED, stream=child_id, workflow=UNDO_WORKFLOW)
        outcome: UndoOutcome = await workflow.execute_child_workflow(
            UNDO_WORKFLOW,
            UndoInput(workflow_id=workflow_id),
            id=child_id,
            result_type=UndoOutcome,
            parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
            task_timeout=policies.WORKFLOW_TASK_TIMEOUT,
            static_summary=f"take back what {workflow_id} has done",
        )
        self._is_undone = True
        await self.note(EventKind.CHILD_ENDED, stream=child_id, undone=outcome.undone, left=outcome.left)
        return outcome

    async def _failed(self, error: Exception, *, undoes: bool) -> None:
        """Take back what was done where the plan is declared so, or a person says so."""
        said = _ended_by(error)
        if not (self._is_undone or self.input.is_shadow) and (undoes or await self._is_to_be_undone(said.message)):
            await self.undo()
        await self.note(EventKind.RUN_ENDED, error={"type": said.type, "message": said.message})
        await self._finished()

    async def _is_to_be_undone(self, why: str) -> bool:
        await workflow.wait_condition(lambda: self.in_flight == 0)
        decision = await self.hand_offs.ask(
            f"The plan has failed: {why}",
            choices=[Choice.UNDO, Choice.LEAVE],
            subject=self.input.plan,
            kind=HandOffKind.PLAN_FAILED,
        )
        return decision.choice == Choice.UNDO

    async def _finished(self) -> None:
        await self.hand_offs.finish()
        await workflow.wait_condition(workflow.all_handlers_finished)


def _ended_by(error: Exception) -> ApplicationError:
    """Return the error that a plan's run ends with."""
    cause = error
    while not isinstance(cause, ApplicationError) and isinstance(cause.__cause__, FailureError):
        cause = cause.__cause__
    kind = cause.type if isinstance(cause, ApplicationError) and cause.type else type(cause).__name__
    said = cause.message if isinstance(cause, FailureError) else str(cause)
    return ApplicationError(said, type=kind, non_retryable=True)

"""Taking back what a run has done: the latest first, one after the other."""

from dataclasses import replace

from temporalio import workflow

from outlive.contracts.plans import EffectCall, UndoableQuery, UndoInput, UndoOutcome
from outlive.errors import EffectFailed
from outlive.names import UNDO_WORKFLOW
from outlive.workflows import calls
from outlive.workflows.effects import make_effect
from outlive.workflows.handoff import HandOffs


@workflow.defn(name=UNDO_WORKFLOW)
class UndoWorkflow:
    """Calls the ``undo`` of each effect that a run and its children have done. Each is an effect itself."""

    @workflow.init
    def __init__(self, undo: UndoInput) -> None:
        self._so_far = undo.so_far
        self._begun_here = 0
        self._hand_offs = HandOffs(decided=undo.decided)

    @workflow.run
    async def run(self, undo: UndoInput) -> UndoOutcome:
        """Take back page by page, until nothing is left that can be.

        Raises:
            ApplicationError: If a person decided that it is to end.
        """
        while True:
            so_far = self._so_far
            query = UndoableQuery(workflow_id=undo.workflow_id, after=so_far.after, ended_at=so_far.ended_at)
            page = await calls.list_undoable(query)
            for call in page.calls:
                await self._take_back(call)
            if not page.after:
                break
            self._so_far = replace(
                self._so_far, left=self._so_far.left + page.left, after=page.after, ended_at=page.ended_at
            )
            if self._begun_here >= undo.effects_per_run:
                await self._hand_offs.finish()
                await workflow.wait_condition(workflow.all_handlers_finished)
                workflow.continue_as_new(replace(undo, so_far=self._so_far, decided=self._hand_offs.decided))
        await self._hand_offs.finish()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return UndoOutcome(undone=self._so_far.undone, skipped=self._so_far.skipped, left=self._so_far.left)

    async def _take_back(self, call: EffectCall) -> None:
        self._begun_here += 1
        try:
            await make_effect(call, self._hand_offs, summary=f"undo {call.name} {(call.undoes or '')[:12]}")
        except EffectFailed:
            self._so_far = replace(self._so_far, skipped=[*self._so_far.skipped, call.undoes or ""])
        else:
            self._so_far = replace(self._so_far, undone=self._so_far.undone + 1)

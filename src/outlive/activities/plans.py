"""The activities of plans: each effect of the app, and what takes effects back."""

import asyncio
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from temporalio import activity
from temporalio.exceptions import ApplicationError

from outlive.agents.options import merged_metadata
from outlive.contracts.plans import EffectCall, Undoable, UndoableQuery
from outlive.effects.calling import EffectFunction
from outlive.effects.declaring import Policy, UndoneEffect
from outlive.effects.recorded import decoded, has_returned, tool_result
from outlive.ledger.effects import EffectRecord
from outlive.ledger.ledger import Ledger
from outlive.ledger.plans import undo_key
from outlive.names import EFFECT_PREFIX, LIST_UNDOABLE, UNDO_EFFECT
from outlive.plans.undoing import Undos, family, owner_of
from outlive.registry import Registry


def effect_activities(effects: Mapping[str, EffectFunction]) -> list[Callable[..., Any]]:
    """Return one activity for each effect of an app."""
    return [_activity_of(found) for found in effects.values()]


def _activity_of(found: EffectFunction) -> Callable[..., Any]:
    @activity.defn(name=f"{EFFECT_PREFIX}{found.name}")
    async def make(call: EffectCall) -> Any:
        return await (found.rehearse(call.args) if call.is_shadow else found.make(call.args))

    return make


class UndoActivities:
    """Looks up what is to be taken back, and takes it back."""

    def __init__(self, registry: Registry, ledger: Ledger) -> None:
        self._ledger = ledger
        self._undos = Undos(registry)

    @activity.defn(name=LIST_UNDOABLE)
    async def list_undoable(self, query: UndoableQuery) -> Undoable:
        """Return the next effects of a run and its children, the latest first, that are to be taken back."""
        workflow_ids = await family(activity.client(), query.workflow_id)
        before = (query.ended_at, query.after) if query.after else None
        book = self._ledger.plans
        page = await self._ledger.call(book.done, workflow_ids, before=before, limit=query.limit)
        undoable = [found for found in page if self._undos.can_undo(found.record)]
        return Undoable(
            calls=[self._call(found.record) for found in undoable if not found.is_undone],
            left=len(page) - len(undoable),
            after=page[-1].record.effect_key if page else "",
            ended_at=page[-1].ended_at if page else 0.0,
        )

    @activity.defn(name=UNDO_EFFECT)
    async def undo_effect(self, call: EffectCall) -> None:
        """Take one effect back, by the function that it declares."""
        record = await self._ledger.call(self._ledger.effects.find, call.undoes or "")
        undo = None if record is None else self._undos.of(record)
        if record is None or undo is None:
            raise ApplicationError(
                f"The effect {call.name!r} declares no `undo=` in this worker's app, or the ledger has it no more. "
                "Put it back, and retry.",
                type="UndoUnknown",
            )
        converter = activity.client().data_converter
        args = await decoded(converter, record.arguments)
        result = await decoded(converter, record.result)
        if result is None and record.settled is not None:
            result = record.settled.value
        elif record.kind == "tool":
            if not has_returned(result):  # it told the model that it did not act
                return
            result = tool_result(result)
        undone = UndoneEffect(key=record.effect_key, args=args or {}, result=result)
        if inspect.iscoroutinefunction(undo):
            await undo(undone)
        else:
            await asyncio.to_thread(undo, undone)

    def _call(self, record: EffectRecord) -> EffectCall:
        options = merged_metadata(None, self._undos.of(record)) or {}
        said = {"policy": str(Policy.IDEMPOTENT), **options.get("outlive", {})}
        return EffectCall(
            name=record.name,
            options={"outlive": said},
            effect_key=undo_key(record.effect_key),
            undoes=record.effect_key,
            owner=owner_of(record),
        )

"""The only place where activities are scheduled: one typed function each, by name."""

import asyncio
from datetime import timedelta
from typing import Any

from temporalio import workflow

from outlive.contracts.agents import RunNote
from outlive.contracts.batches import BatchMark, MissingDocuments, WindowInput, WindowReport
from outlive.contracts.budgets import BudgetRaise
from outlive.contracts.effects import SettleEffect
from outlive.contracts.hand_offs import HandOffNews, HandOffOpening, HandOffReport
from outlive.contracts.plans import EffectCall, Undoable, UndoableQuery
from outlive.contracts.starts import PreparedStart, StartToPrepare
from outlive.names import (
    COUNT_MISSING,
    EFFECT_PREFIX,
    LIST_UNDOABLE,
    MARK_BATCH,
    NOTE_RUN,
    PREPARE_START,
    RAISE_BUDGET,
    RECORD_HAND_OFF,
    SETTLE_EFFECT,
    TELL_HAND_OFF,
    UNDO_EFFECT,
    WORK_WINDOW,
)
from outlive.workflows import policies


def work_window(
    window: WindowInput, heartbeat_timeout_seconds: float | None = None
) -> "workflow.ActivityHandle[WindowReport]":
    """Begin one window. Cancelling the handle lets the documents in flight finish, then yields the report."""
    silence = None if heartbeat_timeout_seconds is None else timedelta(seconds=heartbeat_timeout_seconds)
    return workflow.start_activity(
        WORK_WINDOW,
        window,
        result_type=WindowReport,
        start_to_close_timeout=policies.WINDOW_TIMEOUT,
        heartbeat_timeout=silence or policies.WINDOW_HEARTBEAT_TIMEOUT,
        retry_policy=policies.WINDOW_RETRIES,
        cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        summary=f"documents {window.start:,} to {window.stop - 1:,}",
    )


async def count_missing(batch_id: str) -> MissingDocuments:
    """Return how many documents have no outcome yet, and where the first of them is."""
    missing: MissingDocuments = await workflow.execute_activity(
        COUNT_MISSING,
        batch_id,
        result_type=MissingDocuments,
        start_to_close_timeout=policies.LEDGER_TIMEOUT,
        retry_policy=policies.LEDGER_RETRIES,
        summary="what is still missing",
    )
    return missing


async def mark_batch(mark: BatchMark) -> None:
    """Write into the ledger where the batch stands."""
    await workflow.execute_activity(
        MARK_BATCH,
        mark,
        start_to_close_timeout=policies.LEDGER_TIMEOUT,
        retry_policy=policies.LEDGER_RETRIES,
        summary=mark.state,
    )


async def note_run(note: RunNote) -> None:
    """Write something about the run into the event log: a local activity, one event of history."""
    await workflow.execute_local_activity(
        NOTE_RUN,
        note,
        start_to_close_timeout=policies.NOTE_TIMEOUT,
        retry_policy=policies.NOTE_RETRIES,
        summary=note.kind,
    )


async def settle_effect(settle: SettleEffect) -> None:
    """Write into the ledger what a person decided about an effect: a local activity, one event of history."""
    await workflow.execute_local_activity(
        SETTLE_EFFECT,
        settle,
        start_to_close_timeout=policies.LEDGER_TIMEOUT,
        retry_policy=policies.LEDGER_RETRIES,
        summary=f"{settle.verdict}: {settle.effect_key[:8]}",
    )


async def record_hand_off(report: HandOffReport) -> HandOffOpening:
    """Write down what has happened to a hand-off; of one that opens, return what was found: a local activity."""
    opening: HandOffOpening = await workflow.execute_local_activity(
        RECORD_HAND_OFF,
        report,
        result_type=HandOffOpening,
        start_to_close_timeout=policies.RECORD_TIMEOUT,
        retry_policy=policies.RECORD_RETRIES,
        summary=f"hand-off {report.question.question_id}: {report.occasion}",
    )
    return opening


def tell_hand_off(news: HandOffNews) -> "workflow.ActivityHandle[None]":
    """Begin to tell the app of a hand-off, by its own function."""
    return workflow.start_activity(
        TELL_HAND_OFF,
        news,
        start_to_close_timeout=policies.TELL_TIMEOUT,
        schedule_to_close_timeout=policies.TELL_LASTS,
        retry_policy=policies.TELL_RETRIES,
        summary=f"tell of {news.hand_off_id}: {news.occasion}",
    )


async def raise_budget(raised: BudgetRaise) -> None:
    """Write into the ledger that a person raised a budget: a local activity, one event of history."""
    await workflow.execute_local_activity(
        RAISE_BUDGET,
        raised,
        start_to_close_timeout=policies.LEDGER_TIMEOUT,
        retry_policy=policies.LEDGER_RETRIES,
        summary=f"{raised.key}: {raised.amounts}",
    )


async def make_effect(call: EffectCall, *, summary: str) -> Any:
    """Make an effect, record it, or take one back; return its result as JSON.

    Cancelled, it first lets the effect end: everybody is to know what came of it.
    """
    silence = (call.options.get("outlive") or {}).get("heartbeat_seconds")
    making = workflow.start_activity(
        UNDO_EFFECT if call.undoes else f"{EFFECT_PREFIX}{call.name}",
        call,
        start_to_close_timeout=policies.AGENT_CALL_TIMEOUT,
        heartbeat_timeout=timedelta(seconds=silence) if silence else policies.AGENT_CALL_HEARTBEAT_TIMEOUT,
        retry_policy=policies.AGENT_CALL_RETRIES,
        summary=summary,
    )
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        await workflow.wait([making])
        raise


async def list_undoable(query: UndoableQuery) -> Undoable:
    """Return what is to be taken back next of what a run has done."""
    found: Undoable = await workflow.execute_activity(
        LIST_UNDOABLE,
        query,
        result_type=Undoable,
        start_to_close_timeout=policies.LEDGER_TIMEOUT,
        retry_policy=policies.LEDGER_RETRIES,
        summary="what is to be taken back",
    )
    return found


async def prepare_start(asked: StartToPrepare) -> PreparedStart:
    """Return what a schedule is to start; the documents of a batch are written down."""
    prepared: PreparedStart = await workflow.execute_activity(
        PREPARE_START,
        asked,
        result_type=PreparedStart,
        start_to_close_timeout=policies.PREPARE_TIMEOUT,
        heartbeat_timeout=policies.PREPARE_HEARTBEAT_TIMEOUT,
        retry_policy=policies.PREPARE_RETRIES,
        summary=f"prepare {asked.run_id}",
    )
    return prepared

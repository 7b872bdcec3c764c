"""The master plan of a batch: which windows are in flight. It never sees a document."""

import asyncio
from dataclasses import replace
from functools import partial

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from outlive.contracts.agents import Choice, Decision, HandOffKind
from outlive.contracts.batches import BatchInput, BatchMark, BatchSummary, WindowInput, WindowReport
from outlive.contracts.budgets import BudgetNews
from outlive.names import (
    BATCH_HAND_OFFS_PATCH,
    BATCH_WORKFLOW,
    BUDGET_SIGNAL,
    PAUSE_REASON_QUERY,
    PAUSE_SIGNAL,
    RESUME_SIGNAL,
    SET_WINDOWS_SIGNAL,
)
from outlive.workflows import calls
from outlive.workflows.handoff import HandOffs
from outlive.workflows.money import fault_in, raise_budget


@workflow.defn(name=BATCH_WORKFLOW)
class BatchWorkflow:
    """Keeps a sliding number of windows in flight until every document has an outcome.

    History holds windows only: a few events for some hundred documents. Before it grows, the run continues as new
    with a cursor and a handful of numbers, constant in size.
    """

    @workflow.init
    def __init__(self, batch: BatchInput) -> None:
        self._batch = batch
        self._next_window = batch.next_window
        self._begun_here = 0
        self._windows_in_flight = batch.windows_in_flight
        self._open: dict[int, asyncio.Task[None]] = {}
        self._again: list[int] = []
        self._paused = batch.paused
        self._pause_reason = batch.pause_reason
        self._waits_for = batch.waits_for
        self._heard = dict(batch.heard)
        self._is_ending = False
        self._is_stopped = False
        self._hand_offs = HandOffs(decided=batch.decided)
        self._short: WindowReport | None = None  # of money, and that is why it is paused
        self._asking: asyncio.Task[None] | None = None

    @workflow.run
    async def run(self, batch: BatchInput) -> BatchSummary:
        """Work all windows through, then whatever is still missing."""
        try:
            if workflow.info().continued_run_id is None:  # begun anew, maybe after a pause or cancellation
                await calls.mark_batch(BatchMark(batch_id=batch.batch_id, state="running", is_beginning=True))
            await self._work_windows()
            while not self._is_stopped and (missing := await calls.count_missing(batch.batch_id)).count:
                self._next_window = missing.first // batch.window_size
                await self._work_windows()
            await self._end()
            state = "cancelled" if self._is_stopped else "finished"
            await calls.mark_batch(BatchMark(batch_id=batch.batch_id, state=state))
        except (asyncio.CancelledError, ActivityError) as error:
            if not is_cancelled_exception(error):
                raise
            self._cancel_open_windows()
            await self._end()
            await calls.mark_batch(BatchMark(batch_id=batch.batch_id, state="cancelled"))
            raise
        return BatchSummary(batch_id=batch.batch_id)

    @workflow.signal(name=PAUSE_SIGNAL)
    async def pause(self, reason: str | None = None) -> None:
        """Begin no further window; documents in flight are finished."""
        if not self._is_ending:
            await self._pause(reason)

    @workflow.signal(name=RESUME_SIGNAL)
    async def resume(self) -> None:
        """Go on."""
        if self._paused and not self._is_ending:
            self._paused, self._pause_reason, self._waits_for, self._short = False, None, None, None
            await calls.mark_batch(BatchMark(batch_id=self._batch.batch_id, state="running"))

    @workflow.signal(name=BUDGET_SIGNAL)
    async def budget_changed(self, news: BudgetNews) -> None:
        """Go on where the budget was changed that the batch is paused for."""
        self._heard[news.key] = max(news.version, self._heard.get(news.key, -1))
        if self._waits_for == news.key:
            await self.resume()

    @workflow.signal(name=SET_WINDOWS_SIGNAL)
    def set_windows_in_flight(self, count: int) -> None:
        """Spread the batch's concurrency over this many windows from now on."""
        self._windows_in_flight = max(1, count)

    @workflow.query(name=PAUSE_REASON_QUERY)
    def pause_reason(self) -> str | None:
        """Return why the batch is paused, "" where a person paused it, None where it is not paused."""
        return (self._pause_reason or "") if self._paused else None

    async def _end(self) -> None:
        """Wait until all that is on its way has come to its end; nothing new begins."""
        self._is_ending = True
        await workflow.wait_condition(self._is_still)
        await self._hand_offs.finish()

    def _is_still(self) -> bool:
        is_asking = self._asking is not None and not self._asking.done()
        return not self._open and not is_asking and workflow.all_handlers_finished()

    @property
    def _window_count(self) -> int:
        return -(-self._batch.document_count // self._batch.window_size)

    async def _work_windows(self) -> None:
        """Begin every window from the cursor on, as fast as others end; return when none is left in flight."""
        while self._has_more() or self._open:
            await workflow.wait_condition(lambda: self._may_begin() or not (self._has_more() or self._open))
            if self._may_begin():
                if self._begun_here >= self._batch.windows_per_run or workflow.info().is_continue_as_new_suggested():
                    await self._continue_as_new()
                self._begin_window()

    def _has_more(self) -> bool:
        return not self._is_stopped and (bool(self._again) or self._next_window < self._window_count)

    def _may_begin(self) -> bool:
        return self._has_more() and not self._paused and len(self._open) < self._windows_in_flight

    def _begin_window(self) -> None:
        if self._again:
            window = self._again.pop(0)
        else:
            window = self._next_window
            self._next_window += 1
        self._begun_here += 1
        self._open[window] = asyncio.create_task(self._work_window(window))

    async def _work_window(self, window: int) -> None:
        start = window * self._batch.window_size
        stop = min(start + self._batch.window_size, self._batch.document_count)
        try:
            report = await calls.work_window(
                WindowInput(
                    batch_id=self._batch.batch_id, start=start, stop=stop, windows_in_flight=self._windows_in_flight
                ),
                self._batch.heartbeat_timeout_seconds,
            )
        except ActivityError as error:
            self._again.append(window)
            if not is_cancelled_exception(error):  # else it was cancelled before a worker had taken it
                await self._pause(str(error.cause))
        else:
            if report.missing:
                self._again.append(window)
            if report.halted and not self._paused and not self._is_mended(report):
                self._waits_for = report.budget
                await self._pause(report.halted)
                self._ask_for_money(report)
        finally:
            del self._open[window]

    def _is_mended(self, report: WindowReport) -> bool:
        """Whether the budget that did not pay was changed since."""
        return report.budget is not None and self._heard.get(report.budget, -1) > report.budget_version

    def _ask_for_money(self, report: WindowReport) -> None:
        if report.budget is None or not workflow.patched(BATCH_HAND_OFFS_PATCH):
            return
        self._short = report
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._money_decided())

    async def _money_decided(self) -> None:
        """Let a person decide what becomes of a batch that its budget has paused, and do it."""
        fault = ""
        while (report := self._short) is not None:
            decision = await self._hand_offs.ask(
                f"{fault} {report.halted}".strip(),
                choices=[Choice.RAISE, Choice.RETRY, Choice.STOP],
                subject=str(report.budget),
                kind=HandOffKind.BUDGET,
                about=report.about,
                check=fault_in,
                moot=partial(self._has_gone_on, report),
            )
            fault = ""
            if self._is_ending:
                return
            if self._short is not report:
                continue
            if decision.choice == Choice.RAISE:  # and it goes on once it hears of the change
                fault = await raise_budget({"budget": report.budget, **report.about}, decision) or ""
            if decision.choice == Choice.RETRY:
                await self.resume()
            self._is_stopped = decision.choice == Choice.STOP
            if not fault:
                return

    def _has_gone_on(self, report: WindowReport) -> Decision | None:
        """Return the decision to try again, once the batch is no longer paused for want of this money."""
        if self._short is report and not self._is_ending:
            return None
        return Decision(choice=Choice.RETRY, by="a change of the budget or of the batch")

    async def _pause(self, reason: str | None) -> None:
        self._paused, self._pause_reason = True, reason
        self._cancel_open_windows()
        await calls.mark_batch(BatchMark(batch_id=self._batch.batch_id, state="paused", reason=reason))

    def _cancel_open_windows(self) -> None:
        """Ask the windows in flight to take no further document; each reports once its documents in flight are done."""
        for task in self._open.values():
            if task is not asyncio.current_task():
                task.cancel()

    async def _continue_as_new(self) -> None:
        await workflow.wait_condition(self._is_still)
        await self._hand_offs.finish()
        first = min([*self._again, self._next_window])
        workflow.continue_as_new(
            replace(
                self._batch,
                windows_in_flight=self._windows_in_flight,
                next_window=first,
                paused=self._paused,
                pause_reason=self._pause_reason,
                waits_for=self._waits_for,
                heard=self._heard,
                decided=self._hand_offs.decided,
            )
        )

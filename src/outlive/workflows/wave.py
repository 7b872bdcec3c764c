"""One wave of a plan: works items off by effects, some at a time, and stops where too many fail."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from outlive.contracts.plans import FailedItem, WaveInput, WaveReport
from outlive.errors import EffectFailed
from outlive.names import WAVE_WORKFLOW
from outlive.workflows import policies
from outlive.workflows.effects import is_history_full, make_effect
from outlive.workflows.handoff import HandOffs

LONGEST_REASON = 300  # characters, kept with each item that failed


@workflow.defn(name=WAVE_WORKFLOW)
class WaveWorkflow:
    """Works off the items of one wave. History holds chunks, never items; it continues as new before it grows."""

    @workflow.init
    def __init__(self, wave: WaveInput) -> None:
        self._wave = wave
        self._items = list(wave.items)
        self._start = wave.start
        self._done = wave.done
        self._failed = list(wave.failed)
        self._begun_here = 0
        self._open: list[asyncio.Task[None]] = []
        self._stop: ApplicationError | None = None
        self._hand_offs = HandOffs(decided=wave.decided)

    @workflow.run
    async def run(self, wave: WaveInput) -> WaveReport:
        """Work the items off; end before its end where too many have failed.

        Raises:
            ApplicationError: If a person decided that the run is to end.
        """
        while True:
            while len(self._open) < wave.concurrency and self._begins_more() and (chunk := self._next_chunk()):
                self._begun_here += 1
                self._open.append(asyncio.create_task(self._work(chunk)))
            if not self._open:
                break
            await self._until_one_has_ended()
        await self._hand_offs.finish()
        await workflow.wait_condition(workflow.all_handlers_finished)
        if self._stop is not None:
            raise self._stop
        if self._is_over() or not self._has_more():
            return self._report()
        return self._continued()

    async def _until_one_has_ended(self) -> None:
        """Wait for a call to end; cancelled, for all of them."""
        try:
            ended, self._open = await workflow.wait(self._open, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            for task in self._open:
                task.cancel()  # from asking a person; what is being made is let end
            await workflow.wait(self._open)
            raise
        for task in ended:
            task.result()

    def _continued(self) -> NoReturn:
        """Go on in a new run of this workflow."""
        workflow.continue_as_new(
            replace(
                self._wave,
                items=self._items,
                start=self._start,
                done=self._done,
                failed=self._failed,
                decided=self._hand_offs.decided,
            )
        )

    def _begins_more(self) -> bool:
        is_full = self._begun_here >= self._wave.calls_per_run or is_history_full(policies.PLAN_EVENTS)
        return self._stop is None and not self._is_over() and not is_full

    def _is_over(self) -> bool:
        return len(self._failed) > self._wave.allowed

    def _has_more(self) -> bool:
        return bool(self._items) or self._start < self._wave.stop

    def _next_chunk(self) -> list[Any]:
        chunk, self._items = self._items[: self._wave.chunk], self._items[self._wave.chunk :]
        if not chunk:
            end = min(self._start + self._wave.chunk, self._wave.stop)
            chunk, self._start = list(range(self._start, end)), max(self._start, end)
        return chunk

    async def _work(self, chunk: Sequence[Any]) -> None:
        wave = self._wave
        call = replace(wave.call, args={**wave.call.args, wave.parameter: list(chunk)})
        try:
            result = await make_effect(call, self._hand_offs, summary=f"{call.name}: {len(chunk)} from {chunk[0]!r}")
        except EffectFailed as error:
            self._failed += [FailedItem(item=item, reason=str(error)[:LONGEST_REASON]) for item in chunk]
        except ApplicationError as error:
            self._stop = error
        else:
            failed = _failed_in(result) if wave.reports else []
            self._failed += failed
            self._done += len(chunk) - len(failed)

    def _report(self) -> WaveReport:
        return WaveReport(
            done=self._done, failed=self._failed, items=self._items, start=self._start, stop=self._wave.stop
        )


def _failed_in(result: Any) -> list[FailedItem]:
    """Read what an effect that returns `Worked` says; of one that was only rehearsed, nothing."""
    said = result.get("failed", []) if isinstance(result, dict) else []
    return [FailedItem(item=one.get("item"), reason=str(one.get("reason", ""))[:LONGEST_REASON]) for one in said]

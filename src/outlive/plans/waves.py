"""Waves of a plan: each a child workflow, with a question where too much of one fails."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any, Protocol

from temporalio import workflow

from outlive.contracts.agents import Choice, HandOffKind
from outlive.contracts.events import EventKind
from outlive.contracts.plans import EffectCall, FailedItem, PlanInput, UndoOutcome, WaveInput, WaveReport
from outlive.errors import AppError, PlanFailed
from outlive.names import WAVE_WORKFLOW
from outlive.workflows import policies
from outlive.workflows.effects import stopped
from outlive.workflows.handoff import HandOffs

SHOWN_FAILURES = 5  # in a question: the rest is in the trace


class WavesHost(Protocol):
    """What waves need of the plan workflow."""

    input: PlanInput
    hand_offs: HandOffs
    in_flight: int

    async def note(self, kind: EventKind, **data: Any) -> None:
        """Tell the readers of the run of something."""
        ...

    async def undo(self) -> UndoOutcome:
        """Take back what was done so far."""
        ...


@dataclass(frozen=True, kw_only=True)
class WavesResult:
    """What came of waves.

    Attributes:
        done: Items that were worked off.
        failed: Items that were not, and with which it went on all the same.
    """

    done: int = 0
    failed: list[FailedItem] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class WavesWanted:
    """What `Plan.waves` was asked for.

    Attributes:
        name: What tells these waves from others of the plan.
        items: A list, or a count.
    """

    name: str
    call: EffectCall
    parameter: str
    items: list[Any] | int
    shares: Sequence[float]
    chunk: int
    concurrency: int
    failure_bound: float
    reports: bool

    def __post_init__(self) -> None:
        shares = list(self.shares)
        if not shares or shares != sorted(shares) or shares[0] <= 0 or shares[-1] != 1:
            raise AppError(
                f"shares is {shares}. Give rising numbers above 0, the last being 1, such as (0.01, 0.1, 1)."
            )
        for name in ("chunk", "concurrency"):
            if getattr(self, name) < 1:
                raise AppError(f"{name} is {getattr(self, name)}. It must be at least 1.")
        if not 0 <= self.failure_bound <= 1:
            raise AppError(f"failure_bound is {self.failure_bound}. It is a share: 0.02 is 2 %.")

    @property
    def total(self) -> int:
        """Items in all waves."""
        return self.items if isinstance(self.items, int) else len(self.items)

    def wave(self, start: int, stop: int, *, calls_per_run: int) -> WaveInput:
        """Return the wave of the items from here to there."""
        is_count = isinstance(self.items, int)
        return WaveInput(
            call=self.call,
            parameter=self.parameter,
            items=[] if isinstance(self.items, int) else self.items[start:stop],
            start=start if is_count else 0,
            stop=stop if is_count else 0,
            chunk=self.chunk,
            concurrency=self.concurrency,
            allowed=stop - start if self.call.is_shadow else int((stop - start) * self.failure_bound),
            reports=self.reports,
            calls_per_run=calls_per_run,
        )


async def work_waves(wanted: WavesWanted, host: WavesHost) -> WavesResult:
    """Work all waves off, one after the other. In workflow code.

    Raises:
        PlanFailed: If a person decided to undo.
        ApplicationError: If a person decided to stop.
    """
    result, start = WavesResult(), 0
    for number, share in enumerate(wanted.shares, 1):
        stop = ceil(wanted.total * share)
        if stop > start:
            wave = wanted.wave(start, stop, calls_per_run=host.input.wave_calls)
            title = f"wave {number} of {len(wanted.shares)}: {stop - start:,} items"
            done, failed = await _Wave(wave, host, name=f"{wanted.name}-{number}", title=title).worked_off()
            result = WavesResult(done=result.done + done, failed=result.failed + failed)
            start = stop
    return result


class _Wave:
    """One wave, in as many parts as a person lets it have."""

    def __init__(self, wave: WaveInput, host: WavesHost, *, name: str, title: str) -> None:
        self._wave = wave
        self._host = host
        self._name = name
        self._title = title
        self._parts = 0
        self._done = 0
        self._failed: list[FailedItem] = []

    async def worked_off(self) -> tuple[int, list[FailedItem]]:
        """Work it off, and return how many items are done, and which have failed."""
        size, most = len(self._wave.items) + self._wave.stop - self._wave.start, self._wave.allowed
        while True:
            report = await self._part()
            self._done += report.done
            failed = self._failed + report.failed
            if len(report.failed) <= self._wave.allowed and report.left == 0:
                await self._host.note(
                    EventKind.LOGGED, text=f"{self._title}: {self._done:,} done, {len(failed):,} failed"
                )
                return self._done, failed
            choice = await self._asked(failed, left=report.left, size=size)
            self._wave = replace(self._wave, items=report.items, start=report.start, stop=report.stop)
            if choice == Choice.RETRY:
                again = [one.item for one in failed]
                self._failed = []
                self._wave = replace(self._wave, items=[*again, *report.items], allowed=most)
            else:
                self._failed = failed
                if report.left == 0:
                    return self._done, failed

    async def _part(self) -> WaveReport:
        """Run the wave's workflow on what is left of it."""
        self._parts += 1
        part = f".{self._parts}" if self._parts > 1 else ""
        child_id = f"{workflow.info().workflow_id}/{self._name}{part}"
        await self._host.note(EventKind.CHILD_STARTED, stream=child_id, workflow=self._title)
        self._host.in_flight += 1
        try:
            report: WaveReport = await workflow.execute_child_workflow(
                WAVE_WORKFLOW,
                self._wave,
                id=child_id,
                result_type=WaveReport,
                parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
                task_timeout=policies.WORKFLOW_TASK_TIMEOUT,
                static_summary=self._title,
            )
        finally:
            self._host.in_flight -= 1
        await self._host.note(EventKind.CHILD_ENDED, stream=child_id, done=report.done, failed=len(report.failed))
        return report

    async def _asked(self, failed: list[FailedItem], *, left: int, size: int) -> str:
        """Ask a person what follows; return ``go_on`` or ``retry``."""
        why = failed[-1].reason if failed else ""
        reason = (
            f"{self._title}: {len(failed):,} of {size:,} have failed, {self._done:,} are done, {left:,} not begun. "
            f"The last one: {why}"
        )
        decision = await self._host.hand_offs.ask(
            reason,
            choices=[Choice.RETRY, Choice.GO_ON, Choice.UNDO, Choice.STOP],
            subject=self._wave.call.name,
            kind=HandOffKind.PLAN_FAILED,
            about={"failed": [{"item": one.item, "reason": one.reason} for one in failed[-SHOWN_FAILURES:]]},
        )
        if decision.choice == Choice.STOP:
            raise stopped(reason)
        if decision.choice == Choice.UNDO:
            await self._host.undo()
            raise PlanFailed(f"Undone by decision. {reason}")
        return decision.choice

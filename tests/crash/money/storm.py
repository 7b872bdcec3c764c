"""Many runs on several worker processes against one budget, a worker killed in the middle: what was spent, outside."""

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from crash.agents.projects import AgentProject
from crash.money.apps import CALL
from engines import fresh, until
from outlive.contracts.budgets import Budget
from outlive.ledger.budget_records import BudgetRecord
from outlive.ledger.effects import EffectRecord
from outlive.runs import RunHandle

KEY = "tenant/storm"
CALLS = 4  # of the model, in one run: three acts and a last word
RAISED = Budget(usd="100")


@dataclass(frozen=True, kw_only=True)
class Storm:
    """What was seen.

    Attributes:
        cap: Billionths of a dollar, until it was raised.
        spent_outside: What the model server had been asked for when every run waited, answered or not.
        most_in_ledger: The most that was ever seen spent, doubtful and held together before the raise.
        parked: Runs that waited for money.
        calls_outside: All calls that the model server saw.
        repeated: Calls of a run that it saw more than once, beyond the first.
        completed_repeated: Of these, those that were not in flight at the kill.
        record: The budget at the end.
        to_pause: Seconds from the start until every run waited.
        to_finish: Seconds from the raise until every run had ended.
    """

    runs: int
    cap: int
    spent_outside: int
    most_in_ledger: int
    parked: int
    calls_outside: int
    repeated: int
    completed_repeated: int
    done_in_ledger: int
    record: BudgetRecord
    to_pause: float
    to_finish: float

    def check(self) -> None:
        """Fail where a promise was broken."""
        assert self.spent_outside <= self.cap, self
        assert self.most_in_ledger <= self.cap, self
        assert self.parked > 0, self
        assert self.done_in_ledger == self.record.spent["calls"] == self.runs * CALLS, self
        assert self.record.spent["usd_nanos"] == self.runs * CALLS * CALL, self
        assert self.record.held["calls"] == 0, self
        assert self.repeated == self.calls_outside - self.runs * CALLS, self
        assert self.repeated <= self.record.doubtful["calls"], self
        assert self.completed_repeated == 0, self


async def storm(project: AgentProject, *, runs: int, workers: int, cap: int, in_flight: int = 2) -> Storm:
    """Let runs spend until none can any more, raise, and wait for the end of all; kill a worker with -9 on the way.

    Args:
        cap: Billionths of a dollar.
        in_flight: How many calls the model server has, and has not answered, as one of their workers is killed.
    """
    outside, ledger = project.outside, project.client.ledger
    names = [fresh(f"s{number}") for number in range(runs)]
    await ledger.call(ledger.budgets.set_caps, KEY, Budget(usd=f"{cap / 1e9:.9f}"), by="test")
    began = time.monotonic()
    for _ in range(workers):
        project.start_worker()
    watch = _Watch(project)
    watching = asyncio.create_task(watch.look())
    handles = await asyncio.gather(*(_begin(project, name) for name in names))
    await until(lambda: len(outside.calls) - outside.in_flight() >= runs // 2, "calls answered", deadline=120.0)
    outside.hold("model")
    await until(lambda: outside.in_flight("model") >= in_flight, "calls in flight", deadline=120.0)
    await _kill_who_waits(project, handles)
    in_flight_at_kill = {(call.run, call.kind, call.place) for call in outside.calls if call.ended is None}
    outside.release()  # answered, and billed, but those of the dead to nobody
    project.start_worker()
    parked = await _all_still(project, handles)
    to_pause = time.monotonic() - began
    spent_outside = len([call for call in outside.calls if call.kind == "model"]) * CALL
    watching.cancel()
    raised_at = time.monotonic()
    await ledger.call(ledger.budgets.raise_caps, KEY, RAISED, by="test")
    await asyncio.gather(*(project.ended(handle, deadline=300.0) for handle in handles))
    effects = [entry for handle in handles for entry in project.effects(handle) if entry.kind == "model"]
    repeats = {name: outside.repeated(name) for name in names}
    repeated_calls = {(run, *which) for run, of_run in repeats.items() for which in of_run}
    return Storm(
        runs=runs,
        cap=cap,
        spent_outside=spent_outside,
        most_in_ledger=watch.most,
        parked=parked,
        calls_outside=len([call for call in outside.calls if call.kind == "model"]),
        repeated=sum(count - 1 for of_run in repeats.values() for count in of_run.values()),
        completed_repeated=len(repeated_calls - in_flight_at_kill),
        done_in_ledger=sum(entry.state == "done" for entry in effects),
        record=await ledger.call(ledger.budgets.get, KEY),
        to_pause=to_pause,
        to_finish=time.monotonic() - raised_at,
    )


async def _begin(project: AgentProject, run: str) -> RunHandle[Any]:
    prompt = f"[run {run}] Act {CALLS - 1} times."
    return await project.client.start_run("spender", prompt, run_id=run, tenant="storm")


async def _kill_who_waits(project: AgentProject, handles: list[RunHandle[Any]]) -> None:
    """Kill a worker that has a call in flight, once the ledger knows of all that were answered."""
    calls, of_workflow = project.outside.calls, project.client.ledger.effects.of_workflow

    def effects_of(runs: Iterable[RunHandle[Any]]) -> list[EffectRecord]:
        return [effect for handle in runs for effect in of_workflow(handle.workflow_id) if effect.kind == "model"]

    def are_recorded() -> bool:
        done = sum(effect.state == "done" for effect in effects_of(handles))
        return done == sum(call.kind == "model" and call.ended is not None for call in calls)

    await until(are_recorded, "answers recorded")
    waiting = {call.run for call in calls if call.ended is None}
    held = effects_of(handle for handle in handles if handle.workflow_id.rpartition("/")[2] in waiting)
    owner = next(effect.owner or "" for effect in held if effect.state == "begun")
    await next(worker for worker in project.workers if f".{worker.pid}." in owner).kill()


class _Watch:
    """Looks at the budget again and again, as an auditor would."""

    def __init__(self, project: AgentProject) -> None:
        self._ledger = project.client.ledger
        self.most = 0

    async def look(self) -> None:
        while True:
            record = await self._ledger.call(self._ledger.budgets.get, KEY)
            gone = (kind["usd_nanos"] for kind in (record.spent, record.doubtful, record.held))
            self.most = max(self.most, sum(gone))
            await asyncio.sleep(0.02)


async def _all_still(project: AgentProject, handles: list[Any]) -> int:
    """Wait until every run has ended or waits for money; return how many wait."""
    waiting = 0

    async def are_still() -> bool:
        nonlocal waiting
        states = [await handle.status() for handle in handles]
        waiting = sum(bool(state.questions) for state in states)
        return all(state.questions or state.is_closed for state in states)

    await until(are_still, "every run has ended or waits", deadline=300.0)
    return waiting

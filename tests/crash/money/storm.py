"""Many runs on several worker processes against one budget, a worker killed in the middle: what was spent, outside."""

import asyncio
import time
from dataclasses import dataclass
from typing import Any

from crash.agents.projects import AgentProject
from crash.money.apps import CALL
from engines import until
from outlive.contracts.budgets import Budget
from outlive.ledger.budgets import BudgetRecord
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
    """Let runs spend until none can any more, raise, and wait for the end of all.

    Args:
        cap: Billionths of a dollar.
        in_flight: How many calls the model server has, and has not answered, as their worker is killed with -9.
    """
    outside, ledger = project.outside, project.client.ledger
    await ledger.call(ledger.budgets.set_caps, KEY, Budget(usd=f"{cap / 1e9:.9f}"), by="test")
    began = time.monotonic()
    outside.hold("model")
    doomed = project.start_worker()
    handles = [await _begin(project, number) for number in range(in_flight)]
    watch = _Watch(project)
    watching = asyncio.create_task(watch.look())
    await until(lambda: outside.in_flight("model") == in_flight, "calls in flight")
    in_flight_at_kill = {(call.run, call.kind, call.place) for call in outside.calls}
    await doomed.kill()
    outside.release()  # answered, and billed, but to nobody
    for _ in range(workers):
        project.start_worker()
    handles += await asyncio.gather(*(_begin(project, number) for number in range(in_flight, runs)))
    parked = await _all_still(project, handles)
    to_pause = time.monotonic() - began
    spent_outside = len([call for call in outside.calls if call.kind == "model"]) * CALL
    watching.cancel()
    raised_at = time.monotonic()
    await ledger.call(ledger.budgets.raise_caps, KEY, RAISED, by="test")
    await asyncio.gather(*(project.ended(handle, deadline=300.0) for handle in handles))
    effects = [entry for handle in handles for entry in project.effects(handle) if entry.kind == "model"]
    repeats = {f"s{n}": outside.repeated(f"s{n}") for n in range(runs)}
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


async def _begin(project: AgentProject, number: int) -> RunHandle[Any]:
    run = f"s{number}"
    prompt = f"[run {run}] Act {CALLS - 1} times."
    return await project.client.start_run("spender", prompt, run_id=run, tenant="storm")


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

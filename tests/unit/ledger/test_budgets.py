import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from outlive.contracts.budgets import Budget, BudgetScope
from outlive.errors import BudgetError
from outlive.ledger.budgets import Budgets
from outlive.ledger.ledger import open_ledger
from outlive.ledger.reserving import AMOUNTS, Busy, Hold, Need, Refused, Verdict
from outlive.ledger.spending import Spending, Spent

USD = 1_000_000_000
LONGEST = 600.0


@pytest.fixture
def budgets(where: Path | str) -> Iterator[Budgets]:
    engine = open_ledger(where)
    yield Budgets(engine)
    engine.dispose()


@pytest.fixture
def spending(budgets: Budgets) -> Spending:
    return Spending(budgets._engine)


def need(hold: str, *keys: str | BudgetScope, effect: str = "", price: int | None = 100, **values: object) -> Need:
    """A call for 100 tokens of input and at most 100 of output, at 1 billionth each."""
    defaults = {"input_tokens": 100, "output_tokens": 100, "least_output_tokens": 100, "output_usd_nanos": 1}
    return Need(
        hold_id=hold,
        effect_key=effect or f"effect of {hold}",
        workflow_id=f"agent/test/{hold}",
        scopes=[BudgetScope(key=key) if isinstance(key, str) else key for key in keys],
        base_usd_nanos=price,
        **(defaults | values),
    )


def one(budgets: Budgets, wanted: Need, *, longest: float = LONGEST) -> Verdict:
    (verdict,) = budgets.reserve([wanted], longest_call=longest)
    return verdict


def spent(hold: Hold, *, usd: int | None = 50, subject: str = "agent/test", **values: int) -> Spent:
    tokens = {"input_tokens": 30, "output_tokens": 20} | values
    return Spent(subject=subject, model="m", usd_nanos=usd, hold_id=hold.hold_id, **tokens)


def cap(usd_nanos: int) -> Budget:
    return Budget(usd=f"0.{usd_nanos:09d}")


def sums(budgets: Budgets, key: str) -> tuple[int, int, int]:
    record = budgets.get(key)
    return record.spent["usd_nanos"], record.held["usd_nanos"], record.doubtful["usd_nanos"]


def test_a_call_is_paid_for_before_it_is_made_and_settled_at_what_it_came_to(budgets: Budgets, spending: Spending):
    budgets.set_caps("app/a", cap(300), by="ada")
    hold = one(budgets, need("h1", "app/a"))
    assert isinstance(hold, Hold)
    assert sums(budgets, "app/a") == (0, 200, 0)

    spending.record([spent(hold)])

    assert sums(budgets, "app/a") == (50, 0, 0)
    assert budgets.get("app/a").spent == {"usd_nanos": 50, "tokens": 50, "calls": 1}


def test_a_call_is_settled_once(budgets: Budgets, spending: Spending):
    budgets.set_caps("app/a", cap(300), by="ada")
    hold = one(budgets, need("h1", "app/a"))
    spending.record([spent(hold)])

    budgets.release(hold)
    budgets.doubt(hold)

    assert sums(budgets, "app/a") == (50, 0, 0)


def test_where_there_is_no_budget_nothing_is_held(budgets: Budgets):
    assert one(budgets, need("h1", "app/a", "tenant/t")) == Hold(
        hold_id="h1", output_tokens=100, amounts={"usd_nanos": 200, "tokens": 200, "calls": 1}
    )


@pytest.mark.parametrize(
    ("budget", "lacks"),
    [(cap(199), "usd_nanos"), (Budget(tokens=199), "tokens"), (Budget(calls=0), "calls")],
)
def test_a_call_that_does_not_fit_is_refused_and_told_what_is_lacking(budgets: Budgets, budget: Budget, lacks: str):
    budgets.set_caps("app/a", budget, by="ada")

    verdict = one(budgets, need("h1", "app/a"))

    assert isinstance(verdict, Refused)
    assert (verdict.budget["key"], verdict.lacks) == ("app/a", lacks)
    assert sums(budgets, "app/a") == (0, 0, 0)


def test_a_call_has_to_fit_in_every_budget_that_applies(budgets: Budgets):
    budgets.set_caps("app/a", cap(1000), by="ada")
    budgets.set_caps("tenant/t", cap(199), by="ada")
    own = cap(500).scope("agent/test/1")

    verdict = one(budgets, need("h1", "app/a", "tenant/t", own))

    assert isinstance(verdict, Refused)
    assert verdict.budget["key"] == "tenant/t"
    assert sums(budgets, "app/a") == sums(budgets, "agent/test/1") == (0, 0, 0)


def test_all_budgets_that_apply_pay(budgets: Budgets, spending: Spending):
    own = cap(500).scope("agent/test/1")
    budgets.set_caps("app/a", cap(1000), by="ada")
    hold = one(budgets, need("h1", "app/a", own))

    spending.record([spent(hold)])

    assert sums(budgets, "app/a") == sums(budgets, "agent/test/1") == (50, 0, 0)


def test_a_call_waits_for_those_in_flight_where_it_would_fit_after_them(budgets: Budgets):
    budgets.set_caps("app/a", cap(300), by="ada")
    hold = one(budgets, need("h1", "app/a"))

    assert one(budgets, need("h2", "app/a")) == Busy()
    budgets.release(hold)
    assert isinstance(one(budgets, need("h2", "app/a")), Hold)


def test_what_is_held_for_a_call_that_cannot_be_in_flight_any_more_is_not_waited_for(budgets: Budgets):
    budgets.set_caps("app/a", cap(300), by="ada")
    one(budgets, need("h1", "app/a"))

    assert isinstance(one(budgets, need("h2", "app/a"), longest=-1.0), Refused)


def test_a_call_that_nobody_will_tell_of_counts_as_spent_in_time(budgets: Budgets):
    budgets.set_caps("app/a", cap(300), by="ada")
    one(budgets, need("h1", "app/a"))

    budgets.doubt_stale(LONGEST)
    assert sums(budgets, "app/a") == (0, 200, 0)
    budgets.doubt_stale(-1.0)
    assert sums(budgets, "app/a") == (0, 0, 200)


def test_output_is_lowered_to_what_is_left_where_that_is_still_useful(budgets: Budgets):
    budgets.set_caps("app/a", cap(160), by="ada")

    assert isinstance(one(budgets, need("h1", "app/a", least_output_tokens=61)), Refused)
    lowered = one(budgets, need("h2", "app/a", least_output_tokens=60))

    assert isinstance(lowered, Hold)
    assert (lowered.output_tokens, lowered.is_lowered) == (60, True)
    assert sums(budgets, "app/a") == (0, 160, 0)


def test_the_attempt_of_a_dead_worker_counts_as_spent_once_the_call_is_made_again(budgets: Budgets, spending: Spending):
    budgets.set_caps("app/a", cap(450), by="ada")
    first = one(budgets, need("h1", "app/a", effect="e"))
    second = one(budgets, need("h2", "app/a", effect="e"))
    assert sums(budgets, "app/a") == (0, 200, 200)

    spending.record([spent(second)])
    assert sums(budgets, "app/a") == (50, 0, 200)

    spending.record([spent(first)])  # it was not dead after all, and what it came to is known now
    assert sums(budgets, "app/a") == (100, 0, 0)


def test_more_than_was_set_aside_is_recorded_as_it_is_and_stops_the_next_call(budgets: Budgets, spending: Spending):
    budgets.set_caps("app/a", cap(450), by="ada")
    hold = one(budgets, need("h1", "app/a"))

    spending.record([spent(hold, usd=500)])

    assert sums(budgets, "app/a") == (500, 0, 0)
    assert isinstance(one(budgets, need("h2", "app/a")), Refused)


def test_an_unknown_price_is_refused_by_a_budget_in_dollars_unless_it_counts_as_zero(
    budgets: Budgets, spending: Spending
):
    budgets.set_caps("app/a", cap(300), by="ada")
    budgets.set_caps("app/b", Budget(usd="0", unknown_prices="count_as_zero"), by="ada")
    budgets.set_caps("app/c", Budget(calls=1), by="ada")

    refused = one(budgets, need("h1", "app/a", price=None))
    hold = one(budgets, need("h2", "app/b", "app/c", price=None))
    spending.record([spent(hold, usd=None)])

    assert isinstance(refused, Refused)
    assert refused.lacks == "price"
    assert budgets.get("app/b").unpriced_calls == 1
    assert spending.totals("agent")[0].unpriced_calls == 1


def test_no_number_of_workers_overspends(where: Path | str, budgets: Budgets):
    budgets.set_caps("app/a", cap(1000), by="ada")
    gate = threading.Barrier(4)

    def worker(name: int) -> int:
        engine = open_ledger(where)
        gate.wait()
        mine = Budgets(engine)
        granted = sum(isinstance(one(mine, need(f"{name}-{number}", "app/a")), Hold) for number in range(5))
        engine.dispose()
        return granted

    with ThreadPoolExecutor(4) as threads:
        granted = sum(threads.map(worker, range(4)))

    assert granted == 5
    assert sums(budgets, "app/a") == (0, 1000, 0)


def test_a_raise_is_written_down_and_names_those_who_wait_to_one_teller(budgets: Budgets):
    budgets.set_caps("app/a", cap(100), by="ada")
    one(budgets, need("h1", "app/a"))
    one(budgets, need("h2", "app/a"))
    assert budgets.get("app/a").waiting == 2
    assert budgets.waits_to_tell() == []

    raised = budgets.raise_caps("app/a", cap(900), by="bob")
    told = budgets.waits_to_tell()

    assert raised.version == 2
    assert {wait.workflow_id for wait in told} == {"agent/test/h1", "agent/test/h2"}
    assert budgets.waits_to_tell() == []
    for wait in told:
        budgets.told(wait)
    assert budgets.get("app/a").waiting == 0


def test_a_workflow_that_waits_anew_is_not_forgotten_by_who_told_it_of_an_earlier_change(budgets: Budgets):
    budgets.set_caps("app/a", cap(100), by="ada")
    one(budgets, need("h1", "app/a"))
    budgets.raise_caps("app/a", cap(150), by="bob")
    (wait,) = budgets.waits_to_tell()
    one(budgets, need("h1", "app/a"))

    budgets.told(wait)

    assert budgets.get("app/a").waiting == 1


def test_a_raise_that_raises_nothing_is_refused(budgets: Budgets):
    budgets.set_caps("app/a", Budget(usd="2"), by="ada")

    with pytest.raises(BudgetError, match=r"\$2 already: \$1 raises nothing"):
        budgets.raise_caps("app/a", Budget(usd="1"), by="bob")
    with pytest.raises(BudgetError, match="no budget 'app/b'"):
        budgets.raise_caps("app/b", Budget(usd="1"), by="bob")


def test_a_call_that_somebody_lets_come_to_an_end_lifts_the_cap_by_what_is_lacking(budgets: Budgets):
    budgets.set_caps("app/a", cap(150), by="ada")

    hold = one(budgets, need("h1", "app/a", least_output_tokens=80, lifted_by="bob"))

    assert isinstance(hold, Hold)
    assert hold.output_tokens == 80
    assert budgets.get("app/a").caps["usd_nanos"] == 180
    assert sums(budgets, "app/a") == (0, 180, 0)


def test_caps_of_the_code_are_taken_up_when_they_change_and_else_left_as_they_were_set(budgets: Budgets):
    budgets.declare(cap(100).scope("app/a"))
    budgets.set_caps("app/a", cap(700), by="ada")
    budgets.declare(cap(100).scope("app/a"))
    assert budgets.get("app/a").caps["usd_nanos"] == 700

    budgets.declare(cap(200).scope("app/a"))

    assert budgets.get("app/a").caps["usd_nanos"] == 200


def test_totals_are_kept_by_agent_batch_model_day_and_tenant(spending: Spending):
    hold = Hold(hold_id="", output_tokens=0)
    spending.record([spent(hold, usd=10), spent(hold, usd=5, subject="batch/b1"), spent(hold, usd=7)])
    spending.record([spent(hold, usd=1)])

    (agent,), (batch,), (day,) = (spending.totals(by) for by in ("agent", "batch", "day"))

    assert (agent.group, agent.usd_nanos, agent.calls, agent.input_tokens) == ("test", 18, 3, 90)
    assert (batch.group, batch.usd_nanos) == ("b1", 5)
    assert day.usd_nanos == 23
    assert spending.totals("model", since="9999-01-01") == []


def test_the_parts_of_a_budget_add_up(budgets: Budgets):
    budgets.set_caps("app/a", Budget(usd="1", tokens=1000, calls=9), by="ada")
    first = one(budgets, need("h1", "app/a"))
    one(budgets, need("h2", "app/a"))
    budgets.doubt(first)

    record = budgets.get("app/a")

    assert {name: record.held[name] for name in AMOUNTS} == {"usd_nanos": 200, "tokens": 200, "calls": 1}
    assert record.held == record.doubtful

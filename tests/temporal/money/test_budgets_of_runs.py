"""Budgets of runs: a call is made only where they pay for it, and a run that they do not pay for asks."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

import pytest
from pydantic_ai import Agent

import mishaps
from engines import fresh, until
from outlive import App, Budget, Durable, SubAgents
from outlive.client import Client
from outlive.contracts.agents import HandOffKind, Question
from outlive.errors import RunError, RunFailed
from outlive.ledger.budget_records import BudgetRecord
from outlive.runs import RunHandle
from outlive.settings import Settings
from outside import Outside, chunks, streamed
from temporal.agents.conftest import serving

CALL = 10 * 1_000 + 5 * 10_000  # billionths of a dollar: 10 tokens in at $1, 5 out at $10 per million
PRICES = {"outside": {"input": "1", "output": "10"}, "cheap": {"input": "0.01", "output": "0.01"}}


@dataclass
class Shop:
    """An agent that acts on the world, sub-agent and all, and what it is served with."""

    outside: Outside
    client: Client
    name: str
    tenant: str

    async def begin(self, acts: int = 2, *, agent: str = "", **values: object) -> RunHandle:
        run = fresh("r")
        return await self.client.start_run(agent or self.name, f"[run {run}] Act {acts} times.", run_id=run, **values)

    async def parked(self, handle: RunHandle) -> Question:
        """Wait until a run asks, and return what."""

        async def asks() -> bool:
            return bool((await handle.status()).questions)

        await until(asks, "the run asks")
        return (await handle.status()).questions[0]

    async def budget(self, key: str) -> BudgetRecord:
        ledger = self.client.ledger
        return await ledger.call(ledger.budgets.get, key)

    def calls(self, handle: RunHandle) -> int:
        return len(self.outside.of(handle.run_id, "model"))


@pytest.fixture
async def outside(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outside]:
    async with Outside() as outside:
        monkeypatch.setenv("OPENAI_BASE_URL", outside.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        yield outside
        outside.release()


@pytest.fixture
async def shop(outside: Outside, settings: Settings) -> AsyncIterator[Shop]:
    name, tenant = fresh("buyer"), fresh("acme")

    def acting(name: str, **values: object) -> Agent[None, str]:
        agent: Agent[None, str] = Agent("openai:outside", name=name, **values)

        @agent.tool_plain
        def act(run: str, number: int) -> str:
            """Act."""
            return f"did {number}"

        return agent

    helper = acting(f"{name}-helper", capabilities=[Durable()])
    chief: Agent[None, str] = Agent(
        "openai:outside", name=f"{name}-chief", capabilities=[Durable(), SubAgents(agents=[helper])]
    )
    unpriced: Agent[None, str] = Agent("openai:house-blend", name=f"{name}-unpriced", capabilities=[Durable()])
    agents = [acting(name, capabilities=[Durable(cheaper_models=["openai:cheap"])]), chief, unpriced]
    app = App(fresh("shop"), agents=agents, tenants={tenant: Budget(calls=3)}, prices=PRICES)
    async with serving(app, replace(settings, budget_output_tokens=100)) as client:
        yield Shop(outside=outside, client=client, name=name, tenant=tenant)


async def test_a_run_spends_what_its_calls_cost_and_no_more_than_its_budget(shop: Shop):
    handle = await shop.begin(budget=Budget(usd="0.10", tokens=100_000, calls=9))

    await handle.result()
    record = await shop.budget(handle.workflow_id)

    assert record.spent == {"usd_nanos": 3 * CALL, "tokens": 45, "calls": 3}
    assert set(record.held.values()) == set(record.doubtful.values()) == {0}


async def test_at_the_cap_the_run_asks_and_a_raise_lets_it_go_on_where_it_stopped(shop: Shop):
    handle = await shop.begin(budget=Budget(calls=2))
    question = await shop.parked(handle)
    assert (question.kind, question.subject) == (HandOffKind.BUDGET, handle.workflow_id)
    assert question.choices == ["raise", "finish", "model", "retry", "stop"]
    assert "2 calls of 2 calls are spent" in question.reason
    assert shop.calls(handle) == 2

    await handle.decide("raise", value="9calls", by="ada")
    result = await handle.result()

    assert result.output == "acted 2 times; heard 1"
    assert shop.calls(handle) == 3
    assert (await shop.budget(handle.workflow_id)).caps["calls"] == 9


async def test_one_raise_of_a_tenants_budget_wakes_all_who_wait_for_it(shop: Shop):
    handles = [await shop.begin(tenant=shop.tenant) for _ in range(4)]
    for handle in handles:
        await shop.parked(handle)
    assert sum(shop.calls(handle) for handle in handles) == 3
    ledger = shop.client.ledger

    await ledger.call(ledger.budgets.raise_caps, f"tenant/{shop.tenant}", Budget(calls=12), by="ada")
    await asyncio.gather(*(handle.result() for handle in handles))

    assert sum(shop.calls(handle) for handle in handles) == 12


async def test_a_run_that_is_to_finish_gets_one_last_call_without_tools(shop: Shop):
    handle = await shop.begin(acts=5, budget=Budget(calls=2))
    await shop.parked(handle)
    shop.outside.plan.append(lambda request: streamed(request, chunks(text="That is what I have.")))

    await handle.decide("finish", by="ada")
    result = await handle.result()

    assert result.output == "That is what I have."
    assert (await shop.budget(handle.workflow_id)).caps["calls"] == 3


async def test_a_run_that_is_to_stop_fails_and_says_why(shop: Shop):
    handle = await shop.begin(budget=Budget(calls=1))
    await shop.parked(handle)

    await handle.decide("stop")

    with pytest.raises(RunFailed, match="does not pay for the next call"):
        await handle.result()


async def test_a_cheaper_model_that_is_affordable_is_offered_first_and_used_for_the_rest(shop: Shop):
    handle = await shop.begin(budget=Budget(usd="0.0021"))
    question = await shop.parked(handle)
    assert question.about["models"] == ["openai:cheap"]
    assert question.choices[0] == "model"

    await handle.decide("model", value="openai:cheap")
    await handle.result()

    assert shop.outside.models(handle.run_id) == ["cheap", "cheap", "cheap"]


async def test_a_value_that_is_none_is_refused_and_the_run_waits_on(shop: Shop):
    handle = await shop.begin(budget=Budget(calls=1))
    await shop.parked(handle)

    with pytest.raises(RunError, match="is no budget"):
        await handle.decide("raise", value="more")
    with pytest.raises(RunError, match="is no model"):
        await handle.decide("model", value="smaller")
    await handle.decide("raise", value="1calls")
    question = await shop.parked(handle)

    assert "raises nothing" in question.reason


async def test_calls_of_sub_agents_count_against_their_parents_budget(shop: Shop):
    handle = await shop.begin(acts=1, agent=f"{shop.name}-chief", budget=Budget(calls=50))

    await handle.result()

    made = len([call for call in shop.outside.calls if call.kind == "model"])
    assert made == 5
    assert (await shop.budget(handle.workflow_id)).spent["calls"] == made


async def test_an_unknown_price_is_asked_about_and_never_counted_as_nothing(shop: Shop):
    handle = await shop.begin(acts=0, agent=f"{shop.name}-unpriced", budget=Budget(usd="1"))
    question = await shop.parked(handle)
    assert "Nobody knows the price" in question.reason
    assert shop.calls(handle) == 0

    ledger = shop.client.ledger
    lenient = Budget(usd="1", unknown_prices="count_as_zero")
    await ledger.call(ledger.budgets.set_caps, handle.workflow_id, lenient, by="ada")
    await handle.result()

    assert (await shop.budget(handle.workflow_id)).unpriced_calls == 1


async def test_a_call_that_was_refused_costs_nothing_and_one_that_was_cut_off_counts_as_if_it_had(shop: Shop):
    shop.outside.plan.extend([mishaps.refusal(503, "server_error", "It broke."), mishaps.cut])
    handle = await shop.begin(acts=0, budget=Budget(calls=9))

    await handle.result()
    record = await shop.budget(handle.workflow_id)

    assert (record.spent["calls"], record.doubtful["calls"], record.held["calls"]) == (1, 1, 0)


async def test_the_totals_are_those_of_all_runs(shop: Shop):
    await (await shop.begin(acts=1)).result()
    await (await shop.begin(acts=0, budget=Budget(usd="1"))).result()
    ledger = shop.client.ledger

    (row,) = await ledger.call(ledger.spending.totals, "agent")

    assert (row.group, row.calls, row.usd_nanos, row.unpriced_calls) == (shop.name, 3, 3 * CALL, 0)

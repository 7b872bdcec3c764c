"""What happens to a hand-off while nobody decides: reminded of, passed on, expired; and who is told."""

from datetime import UTC, datetime, timedelta

import pytest
from pydantic_ai import Agent

from engines import fresh, until
from outlive import App, Durable
from outlive.contracts.hand_offs import HandOffPolicy
from outlive.errors import AppError
from temporal.agents.conftest import serving
from temporal.desk.people import calling, waiting

SOON = timedelta(milliseconds=200)
LATER = timedelta(hours=1)


def paying(name: str, policy: HandOffPolicy) -> Agent:
    agent = Agent(calling(("pay", {"amount": 1})), name=name, capabilities=[Durable(hand_offs=policy)])

    @agent.tool_plain(requires_approval=True)
    def pay(amount: int) -> str:
        """Pay."""
        return "paid"

    return agent


async def test_it_reminds_escalates_expires_and_tells_the_app_each_time(served):
    name = fresh("payer")
    policy = HandOffPolicy(
        remind_after=SOON,
        escalate_after=SOON * 3,
        escalate_to="lead",
        expires_after=SOON * 8,
    )
    app = App("test", agents=[paying(name, policy)])
    told: list[tuple[str, str, str]] = []

    @app.on_hand_off
    async def tell(news) -> None:
        told.append((news.occasion, news.to, news.choice))

    client = await served(app)
    handle = await client.start_run(name, "Pay")
    result = await handle.result()
    (ended,) = await client.desk.list(state="expired", agent=name)

    assert told[0] == ("opened", "", "")
    assert told[-1] == ("expired", "", "deny")
    assert ("escalated", "lead", "") in told
    assert told.count(("reminder", "", "")) == ended.reminders >= 2
    assert (ended.choice, ended.decided_by, ended.escalated_to) == ("deny", "expiry", "lead")
    assert "denied by expiry" in result.output


async def test_one_that_expires_while_no_worker_is_there_expires_when_one_is_back(settings):
    name = fresh("payer")
    app = App("test", agents=[paying(name, HandOffPolicy(expires_after=timedelta(seconds=3), on_expiry="approve"))])
    async with serving(app, settings) as client:
        handle = await client.start_run(name, "Pay")
        (asked,) = await waiting(client, name)
    ends = asked.opened_at + timedelta(seconds=3)
    await until(lambda: _now() > ends, "its time is up")
    async with serving(app, settings) as client:
        result = await (await client.run(handle.run_id, agent=name)).result()
        ended = await client.desk.get(asked.id)

    assert '"paid"' in result.output
    assert (ended.state, ended.choice, ended.decided_by) == ("expired", "approve", "expiry")


async def test_telling_the_app_is_tried_again_and_a_decision_is_told_before_the_run_ends(served):
    name = fresh("payer")
    app = App("test", agents=[paying(name, HandOffPolicy())])
    told: list[tuple[str, str]] = []
    fails = [True]

    @app.on_hand_off
    async def tell(news) -> None:
        if fails:
            fails.clear()
            raise ConnectionError("no mail server")
        told.append((news.occasion, news.by))

    client = await served(app)
    handle = await client.start_run(name, "Pay")
    (asked,) = await waiting(client, name)
    await client.desk.decide(asked.id, "approve", by="ada")
    await handle.result()

    assert set(told) == {("opened", ""), ("decided", "ada")}


def test_what_is_no_async_function_or_declared_twice_is_refused():
    app = App("test")

    async def tell(news) -> None:
        """Tell."""

    with pytest.raises(AppError, match="async def"):
        app.on_hand_off(lambda news: None)
    app.on_hand_off(tell)
    with pytest.raises(AppError, match="twice"):
        app.on_hand_off(tell)


def _now():

    return datetime.now(tz=UTC)

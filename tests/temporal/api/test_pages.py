"""The JSON twins of Home, Money and Fleet, on a project that runs."""

from datetime import UTC, datetime

from pydantic_ai import Agent

from engines import fresh, until
from outlive import App, Durable
from outlive.api.fleet_page import read_fleet, timeless_fleet
from outlive.api.home import read_home, timeless_home
from outlive.contracts.budgets import Budget
from temporal.api.serving import api_of
from temporal.desk.people import calling, waiting


def asking() -> Agent:
    """An agent that asks a person before it pays."""
    agent = Agent(calling(("pay", {"to": "ada", "amount": 10})), name=fresh("payer"), capabilities=[Durable()])

    @agent.tool_plain(requires_approval=True)
    def pay(to: str, amount: int) -> str:
        """Pay somebody."""
        return f"paid {to} {amount}"

    return agent


async def test_home_shows_what_runs_waits_and_was_spent(served, settings):
    agent = asking()
    app = App("test", agents=[agent])
    client = await served(app)

    async with api_of(app, settings) as api:
        await api.post(f"/v1/runs/agent/{agent.name}", {"id": "one", "prompt": "pay ada"})
        (hand_off,) = await waiting(client, agent.name)
        first = (await api.get("/v1/home")).body
        second = (await api.get("/v1/home")).body

    run = f"agent/{agent.name}/one"
    assert first["engine"]["state"] == "ok"
    assert first["engine"]["version"]
    assert first["running"]["agents"] >= 1
    assert (first["running"]["batches"], first["batches"]) == (0, [])
    assert (first["waiting"], [one["id"] for one in first["hand_offs"]]) == (1, [hand_off.id])
    assert run in [one["id"] for one in first["recent"]]
    assert len(first["recent"]) <= 10
    assert first["money_today"]["calls"] == 1
    assert [one for one in first["stuck"] if one["id"] == run] == []
    assert first["rates"]["calls_per_minute"] is None
    assert second["rates"]["calls_per_minute"] == 0


async def test_money_is_summed_up_as_it_is_asked_for(served, settings):
    agent = asking()
    app = App("test", agents=[agent])
    client = await served(app)
    today = datetime.now(tz=UTC).date().isoformat()

    async with api_of(app, settings) as api:
        await api.post(f"/v1/runs/agent/{agent.name}", {"id": "one", "prompt": "pay ada", "tenant": "acme"})
        await waiting(client, agent.name)
        by_agent = (await api.get("/v1/money?by=agent")).body
        by_tenant = (await api.get(f"/v1/money?by=tenant&since={today}")).body
        by_day = (await api.get("/v1/money?by=day&since=1d")).body
        later = (await api.get("/v1/money?since=2999-01-01")).body
        refused = [await api.get("/v1/money?by=colour"), await api.get("/v1/money?since=yesterday")]

    assert [(row["group"], row["calls"]) for row in by_agent["rows"]] == [(agent.name, 1)]
    assert [row["group"] for row in by_tenant["rows"]] == ["acme"]
    assert [row["group"] for row in by_day["rows"]] == [today]
    assert by_day["total"]["calls"] == by_agent["total"]["calls"] == 1
    assert (later["rows"], later["total"]["calls"]) == ([], 0)
    assert [answer.status for answer in refused] == [422, 422]


async def test_budgets_are_listed_and_raised_by_somebody(served, settings):
    app = App("test")
    client = await served(app)
    await client.ledger.call(client.ledger.budgets.set_caps, "tenant/acme", Budget(usd="1"), by="ada")

    async with api_of(app, settings) as api:
        listed = (await api.get("/v1/budgets")).body
        raised = await api.post("/v1/budgets/raise", {"key": "tenant/acme", "budget": "2usd", "by": "bob"})
        lower = await api.post("/v1/budgets/raise", {"key": "tenant/acme", "budget": "1usd", "by": "bob"})
        unknown = await api.post("/v1/budgets/raise", {"key": "tenant/none", "budget": "1usd", "by": "bob"})

    assert [(one["key"], one["usd_nanos"], one["calls"], one["state"]) for one in listed] == [
        ("tenant/acme", 1_000_000_000, None, "open")
    ]
    assert raised.body["usd_nanos"] == 2_000_000_000
    assert (lower.status, unknown.status) == (422, 422)
    assert "outlive budget list" in unknown.body["detail"]


async def test_the_fleet_shows_the_workers_of_the_project_and_its_queue(served, settings):
    app = App("test")
    await served(app)

    async def worker_is_shown() -> bool:
        found = (await api.get("/v1/fleet")).body["workers"]
        return settings.task_queue in [worker["task_queue"] for worker in found]

    async with api_of(app, settings) as api:
        await until(worker_is_shown, "the worker has told of itself", deadline=30)
        fleet = (await api.get("/v1/fleet")).body
        home = (await api.get("/v1/home")).body
        redelivered = await api.post("/v1/deliveries/redeliver", {"numbers": None})

    queue = next(one for one in fleet["queues"] if one["name"] == settings.task_queue)
    assert queue["pollers"] >= 1
    assert home["workers"] == {"running": 1, "silent": 0}
    assert (queue["backlog"], queue["oldest_seconds"]) == (0, None)
    assert (fleet["deliveries"], fleet["parked"]) == ({"waiting": 0, "delivered": 0, "parked": 0}, [])
    assert (redelivered.status, redelivered.body) == (200, {"count": 0})


async def test_a_page_that_was_read_again_and_has_not_changed_is_the_same_page(served, settings):
    client = await served(App("test"))
    await read_home(client)  # of the first reading no rate of calls is known

    homes = [await read_home(client), await read_home(client)]

    assert homes[0].as_of < homes[1].as_of
    assert timeless_home(homes[0]).as_of == timeless_home(homes[1]).as_of
    assert timeless_home(homes[0]).rates == timeless_home(homes[1]).rates


async def test_that_a_worker_was_heard_of_again_is_no_change_of_the_fleet(served, settings):
    client = await served(App("test"))

    async def is_shown() -> bool:
        return bool((await read_fleet(client)).workers)

    await until(is_shown, "a worker has told of itself", deadline=30)

    fleet = await read_fleet(client)
    heard = [worker.model_copy(update={"heard_at": datetime.now(tz=UTC)}) for worker in fleet.workers]
    later = fleet.model_copy(update={"as_of": datetime.now(tz=UTC), "workers": heard})
    assert later != fleet
    assert timeless_fleet(later) == timeless_fleet(fleet)

"""Pages that follow a batch, and the sums of a project."""

import json

from consoles import console_of, page_of
from engines import fresh
from outlive import App

DOCUMENTS = [{"text": f"Document {number} is about lamps and desks."} for number in range(7)]


async def states_of(stream, *topics, until=lambda *_: True):
    """Return the newest states, once all are there and it holds: they come in any order, and only when they change."""
    newest = {}
    while len(newest) < len(topics) or not until(*map(newest.get, topics)):
        frame = await stream.next(*topics)
        newest[frame["event"]] = json.loads(frame["data"])
    return [newest[topic] for topic in topics]


def has_ended(batch, batches, home) -> bool:
    is_finished = batch["state"] == "finished" and [one["state"] for one in batches] == ["finished"]
    return is_finished and not home["running"]["batches"]


async def test_a_page_sees_a_batch_run_to_its_end_in_every_topic(served, settings):
    app, name = App("test"), fresh("docs")
    await served(app)
    body = {"id": name, "function": "outlive.analyze", "instruction": "Say what it is about", "documents": DOCUMENTS}

    async with console_of(app, settings) as url, page_of(url) as page:
        async with page.live(f"batch:{name}") as early:
            refused = json.loads((await early.next("problem", "pulse"))["data"])
            while "topic" not in refused:
                refused = json.loads((await early.next("problem", "pulse"))["data"])
        started = await page.post("/v1/batches", body)
        async with page.live(f"batch:{name},home,batches,money:by=batch,budgets,fleet") as stream:
            batch, batches, home = await states_of(stream, f"batch:{name}", "batches", "home", until=has_ended)

    assert (refused["topic"], refused["status"]) == (f"batch:{name}", 404)
    assert started.status == 201, started.body
    assert (batch["done"], batch["missing"]) == (7, 0)
    assert batches[0]["id"] == name
    assert home["batches"] == []


async def test_topics_of_money_take_the_query_of_their_page(served, settings):
    app = App("test")
    await served(app)

    async with console_of(app, settings) as url, page_of(url) as page:
        async with page.live("money:by=agent&since=7d,budgets,fleet") as stream:
            money, budgets, fleet = await states_of(stream, "money:by=agent&since=7d", "budgets", "fleet")
        async with page.live("money:by=colour") as stream:
            problem = json.loads((await stream.next("problem"))["data"])

    assert (money["by"], money["rows"], budgets) == ("agent", [], [])
    assert fleet["engine"]["state"] == "ok"
    assert "'colour'" in problem["detail"]

"""Pages that follow runs and hand-offs, over the death of the engine and of the console."""

import json
import os
import signal
from dataclasses import replace

import pytest
from pydantic_ai import Agent

from consoles import console_of, page_of
from engines import fresh, settings_for
from outlive import App, Durable
from outlive.api.hub import PULSE_SECONDS
from outlive.api.pulse import ANSWER_SECONDS, LOOK_SECONDS
from outlive.engine.home import Home
from outlive.engine.server import EngineServer
from temporal.agents.conftest import serving
from temporal.desk.people import calling, waiting


def payer() -> Agent:
    agent = Agent(calling(("pay", {"to": "ada"})), name=fresh("payer"), capabilities=[Durable()])

    @agent.tool_plain(requires_approval=True)
    def pay(to: str) -> str:
        """Pay somebody."""
        return f"paid {to}"

    return agent


def states(event) -> dict[str, str]:
    return {run["run_id"]: run["state"] for run in json.loads(event["data"])}


async def seen(stream, topic, run_id, state):
    """Wait until a page shows a run in a state, in any of its events."""
    while states(await stream.next(topic)).get(run_id) != state:
        pass


async def test_a_page_sees_a_run_begin_wait_for_a_person_and_end(served, settings):
    agent = payer()
    app = App("shop", agents=[agent])
    client = await served(app)
    topic = f"runs:name={agent.name}"

    async with console_of(app, settings) as url, page_of(url) as page, page.live(f"{topic},hand-offs") as stream:
        assert states(await stream.next(topic)) == {}
        await page.post(f"/v1/runs/agent/{agent.name}", {"id": "one", "prompt": "pay"})
        await seen(stream, topic, "one", "parked")
        (waits,) = await waiting(client, agent.name)
        body = {"choice": "approve", "by": "ada"}
        decided = await page.post(f"/v1/hand-offs/{waits.id}/decision", body)
        await seen(stream, topic, "one", "completed")

    assert decided.status == 200


@pytest.mark.embedded
async def test_the_death_of_the_engine_is_told_and_what_was_seen_last_stays_until_it_is_back(tmp_path):
    home, settings = Home(tmp_path / ".outlive"), settings_for(tmp_path / ".outlive")
    agent = payer()
    app = App("shop", agents=[agent])
    topic = f"runs:name={agent.name}"

    async with (
        home.own(),
        EngineServer(home, settings) as engine,
        serving(app, settings) as client,
        console_of(app, settings) as url,
        page_of(url) as page,
        page.live(topic) as stream,
    ):
        await client.start_run(agent, "pay", run_id="one")
        await seen(stream, topic, "one", "parked")
        os.kill(engine.pid, signal.SIGSTOP)  # it does not answer, and nobody starts it again meanwhile
        while json.loads((await stream.next("pulse", "problem", topic))["data"])["engine"] != "away":
            pass
        os.kill(engine.pid, signal.SIGKILL)
        while json.loads((await stream.next("pulse"))["data"])["engine"] != "ok":
            pass
        (waits,) = await waiting(client, agent.name)
        await client.desk.decide(waits.id, "approve", by="ada")
        await seen(stream, topic, "one", "completed")

    assert LOOK_SECONDS + ANSWER_SECONDS < PULSE_SECONDS  # so soon at the latest it is told


async def test_a_ledger_that_is_away_is_told_and_what_is_new_comes_as_soon_as_it_is_back(settings, own_postgres):
    settings = replace(settings, ledger=own_postgres.new_database())
    agent = payer()
    app = App("shop", agents=[agent])

    async with (
        serving(app, settings) as client,
        console_of(app, settings) as url,
        page_of(url) as page,
        page.live("hand-offs") as stream,
    ):
        assert json.loads((await stream.next("hand-offs"))["data"]) == []
        own_postgres.stop()
        while json.loads((await stream.next("pulse", "problem", "hand-offs"))["data"])["ledger"] != "away":
            pass
        await client.start_run(agent, "pay", run_id="one")
        own_postgres.start()
        pulse, shown = {"ledger": "away"}, []
        while pulse["ledger"] == "away" or not shown:
            event = await stream.next("pulse", "hand-offs")
            if event["event"] == "pulse":
                pulse = json.loads(event["data"])
            else:
                shown = json.loads(event["data"])

    assert (pulse["engine"], pulse["ledger_away_since"]) == ("ok", None)
    assert [hand_off["run"] for hand_off in shown] == [f"agent/{agent.name}/one"]


async def test_a_console_that_is_started_anew_sends_a_page_what_has_changed_since(served, settings):
    agent = payer()
    app = App("shop", agents=[agent])
    client = await served(app)
    topic, other = f"runs:name={agent.name}", f"runs:name={fresh('nobody')}"

    async with console_of(app, settings) as url, page_of(url) as page, page.live(f"{topic},{other}") as stream:
        assert {(await stream.next(topic, other))["event"] for _ in range(2)} == {topic, other}
        last_id = stream.last_id
    await client.start_run(agent, "pay", run_id="one")
    await waiting(client, agent.name)
    async with (
        console_of(app, settings, port=int(url.rpartition(":")[2])) as again,
        page_of(again) as page,
        page.live(f"{topic},{other}", last_id) as stream,
    ):
        first = await stream.next(topic, other)
        later = [first["event"]]
        while later[-1] != "pulse":
            later.append((await stream.next(topic, other, "pulse"))["event"])

    assert (first["event"], list(states(first))) == (topic, ["one"])
    assert other not in later  # of it nothing has changed


@pytest.mark.parametrize("topics", ["runs:kind=none", "runs:order=id"])
async def test_a_filter_that_there_is_not_is_said(served, settings, topics):
    app = App("shop")
    await served(app)

    async with console_of(app, settings) as url, page_of(url) as page, page.live(topics) as stream:
        problem = json.loads((await stream.next("problem"))["data"])

    assert (problem["topic"], problem["status"]) == (topics, 422)


async def test_a_topic_that_there_is_not_is_refused(settings):
    async with console_of(App("shop"), settings) as url, page_of(url) as page:
        answer = await page.get("/v1/live?topics=runs,weather")

    assert answer.status == 422
    assert "'weather'" in answer.body["detail"]

"""Who starts something over HTTP names who is told of it."""

from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

from engines import fresh, until
from outlive import App, Durable
from temporal.api.serving import api_of


def told(receiver, *events: str):
    return [{"url": receiver.url, "secret": "env:HOOK", "events": list(events)}]


async def test_a_run_a_plan_and_a_batch_that_are_started_over_http_tell_whom_the_caller_names(
    served, settings, receiver
):
    agent = Agent(TestModel(custom_output_text="yes"), name=fresh("teller"), capabilities=[Durable()])
    app, plan = App("told", agents=[agent]), fresh("plan")

    async def nothing(_plan) -> str:
        return "done"

    app.plan(nothing, name=plan)
    await served(app)
    documents = [{"text": "Lamps are bright."}]
    batch = {"id": fresh("docs"), "function": "outlive.analyze", "model": "offline:extractive", "documents": documents}

    async with api_of(app, settings) as api:
        notify = told(receiver, "completed")
        started = [
            await api.post(f"/v1/runs/agent/{agent.name}", {"prompt": "Well?", "notify": notify}),
            await api.post(f"/v1/runs/plan/{plan}", {"notify": notify}),
            await api.post("/v1/batches", {**batch, "notify": notify}),
        ]
        await until(lambda: len(receiver.taken) == 3, "all ends are told")

    assert {one.event["subject"] for one in receiver.taken} == {answer.body["id"] for answer in started}


async def test_a_target_that_cannot_be_used_is_refused_and_nothing_is_started(served, settings):
    agent = Agent(TestModel(), name=fresh("teller"), capabilities=[Durable()])
    app = App("told", agents=[agent])
    await served(app)
    path = f"/v1/runs/agent/{agent.name}"

    async with api_of(app, settings) as api:
        written = await api.post(path, {"prompt": "x", "notify": [{"url": "https://a.example", "secret": "whsec_abc"}]})
        brokers = await api.post(path, {"prompt": "x", "notify": [{"topic": "t", "bootstrap": "10.0.0.1:9092"}]})
        unknown = await api.post(path, {"prompt": "x", "notify": [{"topic": "t", "events": ["ended"]}]})
        runs = await api.get(f"/v1/runs?name={agent.name}")

    assert [written.status, brokers.status, unknown.status] == [422, 422, 422]
    assert "whsec_abc" not in str(written.body)
    assert runs.body == []

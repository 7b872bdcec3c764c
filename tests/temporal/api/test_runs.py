"""Runs over HTTP: started once, followed, read, ended."""

import asyncio
import json
from dataclasses import replace

from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import FunctionModel

from engines import fresh, until
from outlive import App, Durable
from temporal.api.serving import api_of
from temporal.plans.world import Shelf


def shouting(**options) -> Agent:
    def answer(messages, _):
        return ModelResponse(parts=[TextPart(str(messages[-1].parts[-1].content).upper())])

    return Agent(FunctionModel(answer), name=fresh("shouter"), capabilities=[Durable()], **options)


class Held:
    """An agent whose tool waits until it is let go."""

    def __init__(self) -> None:
        self.entered, self.leave = asyncio.Event(), asyncio.Event()

        def answer(messages, _):
            if any(isinstance(part, ToolReturnPart) for part in messages[-1].parts):
                return ModelResponse(parts=[TextPart("let go")])
            return ModelResponse(parts=[ToolCallPart("hold", {})])

        self.agent = Agent(FunctionModel(answer), name=fresh("held"), capabilities=[Durable()])

        @self.agent.tool_plain
        async def hold() -> str:
            """Hold on."""
            self.entered.set()
            await self.leave.wait()
            return "held"


async def test_a_run_is_started_and_its_result_waited_for(served, settings):
    agent = shouting()
    app = App("test", agents=[agent])
    await served(app)

    async with api_of(app, settings) as api:
        started = await api.post(f"/v1/runs/agent/{agent.name}", {"id": "one", "prompt": "hello"})
        result = await api.get(f"{started.headers['Location']}/result?wait=30")
        status = await api.get(started.body["url"])

    assert started.status == 201
    assert started.body == {
        "id": f"agent/{agent.name}/one",
        "is_new": True,
        "url": f"/v1/runs/agent/{agent.name}/one",
        "turn": None,
    }
    assert (result.status, result.body["state"], result.body["output"]) == (200, "completed", "HELLO")
    assert result.body["usage"]["requests"] == 1
    assert (status.body["state"], status.body["run_id"]) == ("completed", "one")


async def test_ten_posts_at_once_under_one_id_are_one_run_and_another_prompt_is_a_conflict(served, settings):
    calls = []

    def answer(messages, _):
        calls.append(1)
        return ModelResponse(parts=[TextPart("ok")])

    agent = Agent(FunctionModel(answer), name=fresh("racer"), capabilities=[Durable()])
    app = App("test", agents=[agent])
    await served(app)
    path = f"/v1/runs/agent/{agent.name}"

    async with api_of(app, settings) as api:
        answers = await asyncio.gather(*(api.post(path, {"id": "race", "prompt": "go"}) for _ in range(10)))
        await api.get(f"{path}/race/result?wait=30")
        again = await api.post(path, {"prompt": "go"}, headers={"Idempotency-Key": "race"})
        other = await api.post(path, {"id": "race", "prompt": "stay"})

    assert sorted(answer.status for answer in answers) == [200] * 9 + [201]
    assert len({answer.body["id"] for answer in answers}) == 1
    assert len(calls) == 1
    assert (again.status, again.body["is_new"]) == (200, False)
    assert other.status == 409
    assert other.headers["content-type"] == "application/problem+json"
    assert (other.body["title"], other.body["error"]) == ("Conflict", "RunError")
    assert "stands for another request" in other.body["detail"]


async def test_dependencies_are_checked_before_anything_is_started(served, settings):
    class Customer(BaseModel):
        name: str

    agent = shouting(deps_type=Customer)
    app = App("test", agents=[agent])
    await served(app)
    path = f"/v1/runs/agent/{agent.name}"

    async with api_of(app, settings) as api:
        refused = await api.post(path, {"id": "deps", "prompt": "hi", "deps": {"nom": "ada"}})
        accepted = await api.post(path, {"id": "deps", "prompt": "hi", "deps": {"name": "ada"}})
        described = await api.get("/v1/app")

    assert refused.status == 422
    assert "name" in refused.body["detail"]
    assert accepted.status == 201
    assert described.body["agents"][0]["deps_schema"]["required"] == ["name"]


async def test_a_run_that_has_not_ended_is_told_of_waited_for_no_longer_than_asked_and_cancelled(served, settings):
    held = Held()
    app = App("test", agents=[held.agent])
    await served(app)
    url = f"/v1/runs/agent/{held.agent.name}/held"

    async with api_of(app, settings) as api:
        await api.post(f"/v1/runs/agent/{held.agent.name}", {"id": "held", "prompt": "wait"})
        await held.entered.wait()
        now = await api.get(f"{url}/result")
        later = await api.get(f"{url}/result?wait=0.2")
        too_long = await api.get(f"{url}/result?wait=61")
        cancelled = await api.post(f"{url}/cancel")
        result = await api.get(f"{url}/result?wait=30")

    assert (now.status, now.body["state"]) == (202, "running")
    assert (later.status, later.body["output"]) == (202, None)
    assert too_long.status == 422
    assert cancelled.status == 202
    assert (result.status, result.body["state"]) == (200, "cancelled")
    assert "was cancelled" in result.body["error"]["message"]


async def test_events_go_on_behind_the_last_one_seen_after_the_api_was_started_anew(served, settings):
    held = Held()
    app = App("test", agents=[held.agent])
    client = await served(app)
    path = f"/v1/runs/agent/{held.agent.name}/events/events"

    async with api_of(app, settings) as api:
        await api.post(f"/v1/runs/agent/{held.agent.name}", {"id": "events", "prompt": "wait"})
        await held.entered.wait()
        seen = await api.events(path, limit=2)
    held.leave.set()
    async with api_of(app, settings) as api:
        rest = await api.events(path, headers={"Last-Event-ID": seen[-1]["id"]})
        last_id = rest[-2]["id"]
        await api.get(f"{path.removesuffix('/events')}/result?wait=30")
        none = await api.get(path, headers={"Last-Event-ID": last_id})
        whole = await api.events(f"{path}?from=0")
        end = await api.events(f"{path}?last=2")
        bad = await api.get(path, headers={"Last-Event-ID": "x"})

    logged = [event async for event in (await client.run(f"{held.agent.name}/events")).events()]
    assert rest[-1]["event"] == "closed"
    assert [int(frame["id"]) for frame in [*seen, *rest[:-1]]] == [event.offset for event in logged]
    assert [frame["event"] for frame in [*seen, *rest[:-1]]] == [event.kind for event in logged]
    assert json.loads(rest[-2]["data"])["kind"] == "run_ended"
    assert none.status == 204
    assert whole == [*seen, *rest]
    assert end == whole[-3:]
    assert bad.status == 422


async def test_a_conversation_takes_messages_once_each_and_gives_their_answers(served, settings):
    agent = shouting()
    app = App("test", agents=[agent])
    await served(app)
    url = f"/v1/runs/agent/{agent.name}/talk"

    async with api_of(app, settings) as api:
        opened = await api.post(f"/v1/runs/agent/{agent.name}", {"id": "talk", "prompt": "hello", "conversation": True})
        first = await api.get(f"{url}/turns/{opened.body['turn']}?wait=30")
        said = await api.post(f"{url}/messages", {"content": "again"}, headers={"Idempotency-Key": "m-2"})
        repeated = await api.post(f"{url}/messages", {"content": "again", "message_id": "m-2"})
        second = await api.get(f"{url}/turns/{said.body['turn']}?wait=30")
        waiting = await api.get(f"{url}/turns/3")
        await api.post(f"{url}/close")
        result = await api.get(f"{url}/result?wait=30")
        late = await api.post(f"{url}/messages", {"content": "too late"})

    assert (opened.status, opened.body["turn"], first.body["output"]) == (201, 1, "HELLO")
    assert (said.status, said.body, repeated.body) == (202, {"turn": 2}, {"turn": 2})
    assert second.body["output"] == "AGAIN"
    assert waiting.status == 202
    assert (result.body["state"], result.body["turns"]) == ("completed", 2)
    assert (late.status, late.body["error"]) == (409, "RunError")


async def test_runs_are_listed_by_agent_and_state_and_each_has_its_trace(served, settings):
    agent = shouting()
    app = App("test", agents=[agent])
    await served(app)

    async with api_of(app, settings) as api:
        for number in range(3):
            await api.post(f"/v1/runs/agent/{agent.name}", {"id": f"r{number}", "prompt": str(number)})
            await api.get(f"/v1/runs/agent/{agent.name}/r{number}/result?wait=30")

        async def listed() -> bool:
            found = await api.get(f"/v1/runs?name={agent.name}&state=completed")
            return {run["run_id"] for run in found.body} == {"r0", "r1", "r2"}

        await until(listed, "all three are listed")
        few = await api.get(f"/v1/runs?name={agent.name}&limit=2")
        none = await api.get(f"/v1/runs?name={agent.name}&state=failed")
        late = await api.get(f"/v1/runs?name={agent.name}&since=2999-01-01T00:00:00Z")
        naive = await api.get("/v1/runs?since=2999-01-01T00:00:00")
        trace = await api.get(f"/v1/runs/agent/{agent.name}/r1/trace")

    assert (len(few.body), none.body, late.body) == (2, [], [])
    assert naive.status == 422
    assert trace.body["totals"]["model_calls"] == 1
    assert trace.body["turns"][0]["entries"][0]["kind"] == "model_call"


async def test_a_plan_is_started_with_an_input_that_fits_and_read(served, settings):
    shelf, app, name = Shelf(), App("test"), fresh("stock")
    put = shelf.declare(app)

    async def stock(plan, item: int) -> str:
        """Put an item on the shelf."""
        return await plan.effect(put, item=item)

    app.plan(stock, name=name)
    await served(app)

    async with api_of(app, settings) as api:
        refused = await api.post(f"/v1/runs/plan/{name}", {"id": "p", "input": "many"})
        started = await api.post(f"/v1/runs/plan/{name}", {"id": "p", "input": 4})
        again = await api.post(f"/v1/runs/plan/{name}", {"id": "p", "input": 4})
        other = await api.post(f"/v1/runs/plan/{name}", {"id": "p", "input": 5})
        result = await api.get(f"{started.body['url']}/result?wait=30")
        described = await api.get("/v1/app")

    assert [answer.status for answer in (refused, started, again, other)] == [422, 201, 200, 409]
    assert result.body["output"] == "put 4"
    assert shelf.put == {4: 1}
    (plan,) = described.body["plans"]
    assert (plan["summary"], plan["input_schema"]["type"]) == ("Put an item on the shelf.", "integer")


async def test_what_is_not_there_is_404_with_what_to_do(served, settings):
    app = App("test", agents=[shouting()])
    await served(app)

    async with api_of(app, settings) as api:
        answers = [
            await api.post("/v1/runs/agent/nobody", {"prompt": "x"}),
            await api.get("/v1/runs/agent/nobody/none"),
            await api.get("/v1/runs/agent/nobody/none/result?wait=1"),
            await api.get("/v1/runs/agent/nobody/none/turns/1"),
            await api.get("/v1/runs/agent/nobody/none/trace"),
            await api.get("/v1/runs/agent/nobody/none/events"),
            await api.post("/v1/runs/agent/nobody/none/cancel"),
            await api.post("/v1/runs/agent/nobody/none/messages", {"content": "x"}),
            await api.post("/v1/runs/plan/none", {}),
            await api.get("/v1/batches/none"),
            await api.get("/v1/batches/none/results"),
            await api.get("/v1/hand-offs/none"),
            await api.post("/v1/hand-offs/none/decision", {"choice": "retry", "by": "ada"}),
            await api.get("/v1/nothing"),
        ]

    assert [answer.status for answer in answers] == [404] * len(answers)
    assert all(answer.body["status"] == 404 and answer.body["detail"] for answer in answers)


async def test_without_an_engine_it_is_503_and_when_to_come_again(settings, tmp_path, monkeypatch):
    monkeypatch.delenv("TEMPORAL_ADDRESS")
    agent = shouting()

    async with api_of(App("test", agents=[agent]), replace(settings, home=tmp_path / "other")) as api:
        answer = await api.post(f"/v1/runs/agent/{agent.name}", {"prompt": "x"})

    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert answer.body["error"] == "EngineUnavailable"
    assert "outlive up" in answer.body["detail"]

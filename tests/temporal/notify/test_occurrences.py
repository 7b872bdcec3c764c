"""What is told of runs, conversations, batches and plans: from their beginning to whatever end they take."""

import asyncio

from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.test import TestModel
from standardwebhooks.webhooks import Webhook as Official

from engines import fresh, until
from outlive import App, Durable, Webhook, effect
from outlive.batch_requests import BatchRequest
from outlive.documents.sources import open_source
from receivers import SECRET, Receiver


def hook(receiver: Receiver, **options) -> Webhook:
    return Webhook(receiver.url, secret="env:HOOK", **options)


def talker(name: str, text: str = "yes") -> Agent:
    return Agent(TestModel(custom_output_text=text), name=name, capabilities=[Durable()])


def parked(name: str) -> Agent:
    """An agent that asks before it acts."""
    agent = Agent(TestModel(), name=name, capabilities=[Durable()])

    @agent.tool_plain
    @effect("idempotent", approve=True)
    async def act() -> str:
        return "done"

    return agent


async def test_a_run_tells_its_beginning_and_its_result_signed(served, receiver):
    agent = talker(fresh("teller"))
    client = await served(App("told", agents=[agent]))
    handle = await client.start_run(agent, "Well?", notify=hook(receiver))
    await handle.result()
    await until(lambda: len(receiver.taken) == 2, "both are told")

    assert receiver.types == ["io.outlive.run.started", "io.outlive.run.completed"]
    assert receiver.taken[1].event["data"]["result"] == "yes"
    assert {one.event["subject"] for one in receiver.taken} == {handle.workflow_id}
    for one in receiver.taken:
        assert Official(SECRET).verify(one.body, one.headers) == one.event
        assert one.headers["webhook-id"] == one.event["id"]


async def test_an_app_tells_of_everything_and_a_target_only_what_it_wants(served, receiver):
    agent = talker(fresh("teller"))
    client = await served(App("told", agents=[agent], notify=hook(receiver, events=["completed"])))
    handles = [await client.start_run(agent, "Well?") for _ in range(3)]
    for handle in handles:
        await handle.result()
    await until(lambda: len(receiver.taken) == 3, "all ends are told")

    assert set(receiver.types) == {"io.outlive.run.completed"}
    assert {one.event["subject"] for one in receiver.taken} == {handle.workflow_id for handle in handles}


async def test_a_run_that_asks_a_person_tells_that_and_what_was_decided(served, receiver):
    agent = parked(fresh("asker"))
    client = await served(App("told", agents=[agent]))
    handle = await client.start_run(agent, "Act", notify=[hook(receiver)])
    await until(lambda: len(receiver.taken) == 2, "it asks")
    question = receiver.taken[1].event["data"]
    await handle.decide(question["choices"][0], question_id=question["question_id"])
    await handle.result()
    await until(lambda: len(receiver.taken) == 4, "all is told")

    assert receiver.of(handle.workflow_id) == ["started", "waiting", "resumed", "completed"]
    assert question["kind"] == "approval"


async def test_a_run_that_is_cancelled_or_terminated_tells_so(served, receiver):
    agent = parked(fresh("asker"))
    client = await served(App("told", agents=[agent]))
    cancelled, ended = [await client.start_run(agent, "Act", notify=hook(receiver)) for _ in range(2)]
    await until(lambda: len(receiver.taken) == 4, "both ask")
    await cancelled.cancel()
    temporal = await client.temporal()
    await temporal.get_workflow_handle(ended.workflow_id).terminate()
    await until(lambda: len(receiver.taken) == 6, "both ends are told")

    assert receiver.of(cancelled.workflow_id) == ["started", "waiting", "cancelled"]
    assert receiver.of(ended.workflow_id) == ["started", "waiting", "failed"]
    assert receiver.taken[-1].event["data"].get("error", {}).get("type") in {"Terminated", None}


async def test_a_run_that_fails_tells_why(served, receiver):
    def refuse(_messages, _info):
        raise ValueError("out of order")

    broken = Agent(FunctionModel(refuse), name=fresh("broken"), capabilities=[Durable()])
    client = await served(App("told", agents=[broken]))
    handle = await client.start_run(broken, "Act", notify=hook(receiver))
    await until(lambda: receiver.of(handle.workflow_id)[-1:] == ["failed"], "its end is told")

    assert "out of order" in receiver.taken[-1].event["data"]["error"]["message"]


async def test_a_conversation_tells_each_answer(served, receiver):
    said = iter(["one", "two"])
    agent = Agent(
        FunctionModel(lambda _m, _i: ModelResponse(parts=[TextPart(next(said))])),
        name=fresh("talker"),
        capabilities=[Durable()],
    )
    client = await served(App("told", agents=[agent]))
    talk = await client.conversation(agent, notify=hook(receiver))
    for _ in range(2):
        await talk.ask("Next?")
    await talk.close()
    await until(lambda: len(receiver.taken) == 4, "all is told")

    assert receiver.of(talk.workflow_id) == ["started", "progress", "progress", "completed"]
    assert [one.event["data"].get("result") for one in receiver.taken][1:3] == ["one", "two"]


async def test_a_plan_tells_its_beginning_and_either_end(served, receiver):
    app = App("told")
    name = fresh("plan")

    @app.plan(name=name, on_failure="undo")
    async def act(plan, fails: bool) -> str:
        if fails:
            from outlive import PlanFailed

            raise PlanFailed("no good")
        return "good"

    client = await served(app)
    good = await client.start_plan(name, False, notify=hook(receiver))
    bad = await client.start_plan(name, True, notify=hook(receiver))
    await until(lambda: len(receiver.taken) == 4, "both ends are told")

    assert receiver.of(good.workflow_id) == ["started", "completed"]
    assert receiver.of(bad.workflow_id) == ["started", "failed"]
    assert set(receiver.types) == {f"io.outlive.plan.{end}" for end in ("started", "completed", "failed")}


async def test_a_batch_tells_pauses_progress_and_its_sums(served, receiver, tmp_path, monkeypatch):
    monkeypatch.setattr("outlive.worker.delivering.PROGRESS_SECONDS", 1.0)
    gate = asyncio.Event()
    app = App("told")

    @app.batch(name="weigh")
    async def weigh(document, llm) -> int:
        await gate.wait()
        return len(document.text)

    (tmp_path / "in.jsonl").write_text("".join(f'{{"text": "words {n}"}}\n' for n in range(20)))
    client = await served(app)
    request = BatchRequest.of(
        "weigh", open_source(str(tmp_path / "in.jsonl")), model="offline:extractive", batch_id=fresh("batch"),
        notify=hook(receiver),
    )  # fmt: skip
    handle = await client.start_batch(request)
    await until(lambda: "progress" in receiver.of(f"batch/{handle.batch_id}"), "progress is told")
    await handle.pause()
    await until(lambda: "paused" in receiver.of(f"batch/{handle.batch_id}"), "the pause is told")
    gate.set()
    await handle.resume()
    await handle.result()
    await until(lambda: "completed" in receiver.of(f"batch/{handle.batch_id}"), "the end is told")

    told = receiver.of(f"batch/{handle.batch_id}")
    assert [one for one in told if one != "progress"] == ["started", "paused", "resumed", "completed"]
    assert receiver.taken[-1].event["data"]["done"] == 20


async def test_a_run_is_not_slowed_by_a_receiver_that_hangs_and_needs_none_to_be_there(served, receiver):
    receiver.behaviour = lambda _: "hang"
    agent = talker(fresh("teller"))
    client = await served(App("told", agents=[agent]))
    handle = await client.start_run(
        agent, "Well?", notify=[hook(receiver), Webhook("http://127.0.0.1:9/", secret=None)]
    )

    assert (await asyncio.wait_for(handle.result(), 60)).output == "yes"
    assert receiver.taken == []

"""Runs of agents: started, followed, ended."""

import asyncio
import sqlite3
import time
from contextlib import closing
from datetime import timedelta

import pytest
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry
from pydantic_ai.durable_exec._toolset import wrap_tool_call_result
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.test import TestModel
from temporalio import activity

from engines import fresh, until
from outlive import App, Durable, idempotency_key, in_memory, tool_options
from outlive.contracts.agents import AgentInput, AgentMessage
from outlive.engine.home import Home
from outlive.errors import AgentUndurable, AppError, RunError, RunFailed


class Verdict(BaseModel):
    words: int
    is_long: bool


def calling(times: int, tool: str = "look") -> FunctionModel:
    """A model that calls a tool so many times, one after the other, and then says how often it did."""

    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        returned = sum(isinstance(part, ToolReturnPart) for message in messages for part in message.parts)
        if returned < times:
            return ModelResponse(parts=[ToolCallPart(tool, {"number": returned})])
        return ModelResponse(parts=[TextPart(f"looked {returned} times")])

    return FunctionModel(answer)


def looking(model: FunctionModel, *, name: str = "looker", **options: object) -> tuple[Agent, list[int]]:
    """An agent with a tool that notes its calls."""
    agent = Agent(model, name=name, capabilities=[Durable(**options)])
    calls: list[int] = []

    @agent.tool_plain
    def look(number: int) -> str:
        """Look."""
        calls.append(number)
        return f"saw {number}"

    return agent, calls


async def test_a_run_gives_the_agents_own_output_type(served):
    agent = Agent(
        TestModel(custom_output_args={"words": 3, "is_long": False}),
        name="judge",
        output_type=Verdict,
        capabilities=[Durable()],
    )
    client = await served(App("test", agents=[agent]))

    handle = await client.start_run(agent, "Is this long?", run_id="one")
    result = await handle.result()

    assert result.output == Verdict(words=3, is_long=False)
    assert result.usage["requests"] == 1
    assert handle.workflow_id == "agent/judge/one"


async def test_the_same_id_is_the_same_run_and_another_prompt_under_it_is_refused(served):
    agent, calls = looking(calling(1))
    client = await served(App("test", agents=[agent]))

    first = await client.start_run(agent, "Look", run_id="same")
    again = await client.start_run(agent, "Look", run_id="same")
    await first.result()
    later = await client.start_run(agent, "Look", run_id="same")

    assert (await again.result()).output == (await later.result()).output == "looked 1 times"
    assert calls == [0]
    with pytest.raises(RunError, match="another request"):
        await client.start_run(agent, "Look elsewhere", run_id="same")


async def test_a_long_run_continues_as_new_in_mid_turn_and_repeats_nothing(served):
    agent, calls = looking(calling(30))
    client = await served(App("test", agents=[agent]))
    start = AgentInput(agent="looker", inbox=[AgentMessage(message_id="m", content="Look")], events_per_run=60)
    run_id = fresh("long")
    await client._start(f"agent/looker/{run_id}", start, summary="long")
    result = await (await client.run(run_id, agent="looker")).result()
    temporal = await client.temporal()
    runs = [run async for run in temporal.list_workflows(f'WorkflowId = "agent/looker/{run_id}"')]

    assert result.output == "looked 30 times"
    assert calls == list(range(30))
    assert result.usage["requests"] == 31
    assert len(runs) > 3
    with pytest.raises(RunError, match="another request"):
        await client.start_run(agent, "Look elsewhere", run_id=run_id)


async def test_a_bug_in_a_tool_is_tried_three_times_and_the_model_is_told(served):
    agent = Agent(calling(1, "fail"), name="buggy", capabilities=[Durable()])
    calls = []

    @agent.tool_plain
    def fail(number: int) -> str:
        """Fail."""
        calls.append(number)
        raise ValueError("no such account")

    client = await served(App("test", agents=[agent]))

    result = await (await client.start_run(agent, "Do")).result()

    told = [part for message in result.messages for part in message.parts if isinstance(part, ToolReturnPart)]
    assert len(calls) == 3
    assert "no such account" in str(told[0].content)


async def test_a_tool_that_parks_waits_for_a_person_and_goes_on(served):
    agent = Agent(calling(1, "fail"), name="parking", capabilities=[Durable()])
    broken = [True]

    @agent.tool_plain
    @tool_options(attempts=1, on_failure="park")
    def fail(number: int) -> str:
        """Fail."""
        if broken[0]:
            raise ValueError("the account is locked")
        return "done"

    client = await served(App("test", agents=[agent]))

    handle = await client.start_run(agent, "Do")
    await until(lambda: _state(handle, "parked"), "the run is parked")
    status = await handle.status()
    broken[0] = False
    await handle.decide("retry")
    result = await handle.result()

    assert "the account is locked" in status.questions[0].reason
    assert status.questions[0].choices == ["retry", "tell", "stop"]
    told = [part for message in result.messages for part in message.parts if isinstance(part, ToolReturnPart)]
    assert [part.content for part in told] == ["done"]


async def test_a_refused_key_parks_the_run_until_it_is_mended(served):
    good = [False]

    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        if not good[0]:
            raise ModelHTTPError(401, "m", {"message": "bad key"})
        return ModelResponse(parts=[TextPart("hello")])

    agent = Agent(FunctionModel(answer), name="locked", capabilities=[Durable()])
    client = await served(App("test", agents=[agent]))

    handle = await client.start_run(agent, "Hi")
    await until(lambda: _state(handle, "parked"), "the run is parked")
    good[0] = True
    await handle.decide("retry")

    assert (await handle.result()).output == "hello"


async def test_a_rejected_request_fails_the_run_with_its_reason(served):
    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        raise ModelHTTPError(400, "m", {"message": "bad schema"})

    agent = Agent(FunctionModel(answer), name="rejected", capabilities=[Durable()])
    client = await served(App("test", agents=[agent]))

    handle = await client.start_run(agent, "Hi")
    with pytest.raises(RunFailed, match="bad schema"):
        await handle.result()


async def test_an_overloaded_model_is_asked_again(served):
    calls = []

    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        calls.append(1)
        if len(calls) < 3:
            raise ModelHTTPError(503, "m", {"message": "overloaded"})
        return ModelResponse(parts=[TextPart("at last")])

    agent = Agent(FunctionModel(answer), name="busy", capabilities=[Durable()])
    client = await served(App("test", agents=[agent]))

    assert (await (await client.start_run(agent, "Hi")).result()).output == "at last"
    assert len(calls) == 3


async def test_a_conversation_answers_turn_after_turn_and_remembers(served):
    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        said = [part.content for message in messages for part in message.parts if part.part_kind == "user-prompt"]
        return ModelResponse(parts=[TextPart(" | ".join(said))])

    agent = Agent(FunctionModel(answer), name="listener", capabilities=[Durable()])
    client = await served(App("test", agents=[agent]))

    conversation = await client.conversation(agent, conversation_id="c")
    first = await conversation.ask("one")
    again = await client.conversation(agent, conversation_id="c")
    turns = [await again.say("two", message_id="2"), await again.say("two", message_id="2"), await again.say("three")]
    second, third = await again.reply(turns[0]), await again.reply(turns[2])
    await again.close()
    result = await conversation.result()

    assert (first, second, third) == ("one", "one | two", "one | two | three")
    assert turns == [2, 2, 3]
    assert result.turns == 3
    with pytest.raises(RunError, match="has ended"):
        await conversation.say("four")


async def test_what_steers_a_turn_reaches_the_model_before_its_next_call(served):
    began, go = asyncio.Event(), asyncio.Event()

    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        said = [part.content for message in messages for part in message.parts if part.part_kind == "user-prompt"]
        if any(isinstance(part, ToolReturnPart) for message in messages for part in message.parts):
            return ModelResponse(parts=[TextPart(" | ".join(said))])
        return ModelResponse(parts=[ToolCallPart("wait", {})])

    agent = Agent(FunctionModel(answer), name="steered", capabilities=[Durable()])

    @agent.tool_plain
    async def wait() -> str:
        """Wait."""
        began.set()
        await go.wait()
        return "waited"

    client = await served(App("test", agents=[agent]))

    handle = await client.start_run(agent, "begin")
    await began.wait()
    turn = await handle.say("and hurry", steer=True)
    go.set()

    assert (await handle.result()).output == "begin | and hurry"
    assert turn == 1


async def test_a_run_can_be_cancelled_in_mid_call(served):
    began = asyncio.Event()
    agent = Agent(calling(1, "hang"), name="hanging", capabilities=[Durable()])

    @agent.tool_plain
    async def hang(number: int) -> str:
        """Hang."""
        began.set()
        await asyncio.sleep(3600)
        return ""

    client = await served(App("test", agents=[agent]))

    handle = await client.start_run(agent, "Do")
    await began.wait()
    await handle.cancel()

    with pytest.raises(RunFailed, match="cancelled") as caught:
        await handle.result()
    assert caught.value.status == "CANCELED"


async def test_a_retry_asked_by_a_tool_reaches_the_model(served):
    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        last = messages[-1].parts[-1]
        if isinstance(last, ToolReturnPart) and last.content == "fine":
            return ModelResponse(parts=[TextPart("ok")])
        return ModelResponse(parts=[ToolCallPart("check", {"number": 1 if len(messages) < 2 else 2})])

    agent = Agent(FunctionModel(answer), name="retrying", capabilities=[Durable()])

    @agent.tool_plain
    def check(number: int) -> str:
        """Check."""
        if number == 1:
            raise ModelRetry("take 2")
        return "fine"

    client = await served(App("test", agents=[agent]))

    handle = await client.start_run(agent, "Do")

    assert (await handle.result()).output == "ok"
    told = [event.data async for event in handle.events() if event.kind == "tool_ended"]
    assert [(data["result"], data.get("verdict")) for data in told] == [("take 2", "model_retry"), ("fine", None)]


async def test_a_run_that_continued_as_new_began_when_its_first_run_did(served):
    agent, _ = looking(calling(8), name=(name := fresh("continued")))
    client = await served(App("test", agents=[agent]))
    start = AgentInput(agent=name, inbox=[AgentMessage(message_id="m", content="Look")], events_per_run=30)
    await client._start(f"agent/{name}/one", start, summary="long")
    handle = await client.run("one", agent=name)
    await handle.result()
    temporal = await client.temporal()
    query = f'WorkflowId = "agent/{name}/one"'
    await until(lambda: _closed(temporal, query), "the list has it as ended")
    starts = sorted([run.start_time async for run in temporal.list_workflows(query)])
    since_then = [run.workflow_id async for run in client.runs(agent=name, since=starts[1] - timedelta(microseconds=1))]
    before = [run.started_at async for run in client.runs(agent=name, since=starts[0] - timedelta(seconds=1))]

    assert len(starts) > 2
    assert (await handle.status()).started_at == starts[0]
    assert before == [starts[0]]
    assert since_then == []


async def _closed(temporal, query):
    return [run async for run in temporal.list_workflows(f'{query} AND ExecutionStatus = "Completed"')]


async def test_agent_run_outside_of_a_workflow_runs_durably(served):
    agent, _ = looking(calling(2), name=(name := fresh("outsider")))
    client = await served(app := App("test", agents=[agent]))
    app._clients[asyncio.get_running_loop()] = client

    result = await agent.run("Look")

    assert result.output == "looked 2 times"

    async def is_listed() -> bool:
        return [run.state async for run in client.runs(agent=name)] == ["completed"]

    await until(is_listed, "the list shows the run as completed")


async def test_agent_run_without_an_app_says_that_it_would_not_be_durable():
    agent = Agent(calling(1), name="alone", capabilities=[Durable()])

    @agent.tool_plain
    def look(number: int) -> str:
        """Look."""
        return "saw"

    with pytest.raises(AgentUndurable, match="would not run durably"):
        await agent.run("Look")
    with in_memory():
        assert (await agent.run("Look")).output == "looked 1 times"


def test_an_agent_that_is_not_durable_is_refused():
    with pytest.raises(AppError, match="not durable"):
        App("test", agents=[Agent(TestModel(), name="plain")])


async def _state(handle, state: str) -> bool:
    return (await handle.status()).state == state


async def test_a_tool_that_blocks_the_event_loop_is_not_taken_for_dead(served):
    agent = Agent(calling(1, "block"), name="blocking", capabilities=[Durable(heartbeat_timeout=timedelta(seconds=2))])
    calls = []

    @agent.tool_plain
    async def block(number: int) -> str:
        """Block, as careless code does."""
        calls.append(number)
        time.sleep(6)  # noqa: ASYNC251 - that is what is tested
        return "done"

    client = await served(App("test", agents=[agent]))

    await (await client.start_run(agent, "Do")).result()

    assert calls == [0]


async def test_a_long_answer_reaches_the_caller_whole(served):
    long = "long " * 200_000
    agent = Agent(
        FunctionModel(lambda *_: ModelResponse(parts=[TextPart(long)])), name="talker", capabilities=[Durable()]
    )
    client = await served(App("test", agents=[agent]))

    conversation = await client.conversation(agent)
    answer = await conversation.ask("Tell me all")
    await conversation.close()

    assert answer == long
    assert (await conversation.result()).output == long


async def test_where_two_workers_have_made_a_call_the_result_that_was_recorded_first_is_the_runs(served):
    agent = Agent(calling(1), name="second", capabilities=[Durable()])
    books = []

    @agent.tool_plain
    async def look(number: int) -> str:
        """Look; before it is seen, another worker that was taken for dead records what it saw."""
        (payload,) = activity.payload_converter().to_payloads([await wrap_tool_call_result(_seen_elsewhere())])
        await books[0].call(books[0].effects.finish, idempotency_key(), payload.SerializeToString(), {})
        return "seen here"

    client = await served(App("test", agents=[agent]))
    books.append(client.ledger)

    result = await (await client.start_run(agent, "Look")).result()

    told = [part for message in result.messages for part in message.parts if isinstance(part, ToolReturnPart)]
    assert [part.content for part in told] == ["seen elsewhere"]


async def _seen_elsewhere() -> str:
    return "seen elsewhere"


async def test_a_ledger_that_keeps_no_answer_holds_no_run_up_and_gets_it_later(served):
    agent, _ = looking(calling(1), name=fresh("unkept"))
    client = await served(App("test", agents=[agent]))
    with closing(sqlite3.connect(Home(client.settings.home).ledger_db)) as ledger:
        ledger.execute(
            "CREATE TRIGGER full BEFORE INSERT ON answers BEGIN SELECT RAISE(ABORT, 'the disk is full'); END"
        )
        handle = await client.start_run(agent, "Look", run_id="one")
        result = await handle.result()
        ledger.execute("DROP TRIGGER full")

    assert result.output == "looked 1 times"
    await until(
        lambda: _kept(Home(client.settings.home).ledger_db, handle.workflow_id) == ['"looked 1 times"'],
        "the answer is kept",
    )


async def test_an_event_log_that_another_process_has_locked_holds_no_run_up(served, settings):
    agent, _ = looking(calling(1), name=fresh("locked"))
    client = await served(App("test", agents=[agent]))
    path = Home(settings.home).streams_db
    await until(path.exists, "the event log is there")
    with closing(sqlite3.connect(path, isolation_level=None)) as log:
        log.execute("BEGIN IMMEDIATE")
        handle = await client.start_run(agent, "Look", run_id="one")
        result = await handle.result()
        log.execute("ROLLBACK")

    assert result.output == "looked 1 times"
    await until(lambda: _tells_its_end(handle), "what was to be told is told later")


async def _tells_its_end(handle):
    return "run_ended" in [event.kind async for event in handle.events()]


def _kept(path, workflow_id):
    with closing(sqlite3.connect(path)) as ledger:
        return [row[0] for row in ledger.execute("SELECT answer FROM answers WHERE workflow_id = ?", [workflow_id])]

"""Traces of real runs: what happened stands in them, and nothing else."""

import asyncio
import json

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from temporalio import workflow

from engines import until
from outlive import App, Durable, SubAgents, tool_options
from outlive.contracts.agents import AgentInput, AgentMessage
from outlive.errors import RunError
from outlive.trace.model import ChildRun, Message, ModelCall, ToolCall, Wait, as_json
from outlive.trace.reading import TraceReader


def calling(*tools: str, times: int = 1) -> FunctionModel:
    """A model that calls tools together, so many times, and then says so."""

    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        said = [part.content for message in messages for part in message.parts if part.part_kind == "user-prompt"]
        rounds = sum(any(isinstance(part, ToolReturnPart) for part in message.parts) for message in messages)
        if rounds < times:
            return ModelResponse(parts=[ToolCallPart(tool, {"number": rounds}) for tool in tools])
        return ModelResponse(parts=[TextPart(f"done: {' | '.join(said)}")])

    return FunctionModel(answer)


def looking(name: str, *, times: int = 1, result: str = "saw") -> Agent:
    agent = Agent(calling("look", times=times), name=name, capabilities=[Durable()])

    @agent.tool_plain
    def look(number: int) -> str:
        """Look."""
        return f"{result} {number}"

    return agent


async def has_state(handle, state: str) -> bool:
    return (await handle.status()).state == state


async def test_a_trace_holds_the_calls_in_order_with_arguments_results_and_tokens(served, read):
    agent = looking("tracer")
    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Look", run_id="one")
    await handle.result()

    trace = await read(client, handle.workflow_id)

    (turn,) = trace.turns
    first, tool, last = turn.entries
    assert (trace.state, trace.agent, trace.run_id, trace.notes) == ("completed", "tracer", "one", ())
    assert (turn.id, turn.said.content) == ("t1", "Look")
    assert turn.ended_at is not None
    assert isinstance(first, ModelCall)
    assert [(asked.tool, asked.args.content) for asked in first.asked] == [("look", {"number": 0})]
    assert isinstance(tool, ToolCall)
    assert (tool.name, tool.args.content, tool.result.content, tool.attempts) == ("look", {"number": 0}, "saw 0", 1)
    assert tool.tool_call_id == first.asked[0].tool_call_id
    assert (last.text.content, trace.output.content) == ("done: Look", "done: Look")
    assert (trace.totals.model_calls, trace.totals.tool_calls, trace.totals.unpriced) == (2, 1, 2)
    assert trace.totals.input_tokens == first.input_tokens + last.input_tokens > 0


async def test_ids_and_values_are_the_same_while_a_run_goes_on_through_many_workflow_runs(served, read):
    agent = looking("chained", times=20)
    client = await served(App("test", agents=[agent]))
    start = AgentInput(agent="chained", inbox=[AgentMessage(message_id="m", content="Look")], events_per_run=40)
    await client._start("agent/chained/long", start, summary="long")
    handle = await client.run("long", agent="chained")

    early = await read(client, handle.workflow_id)
    await handle.result()
    late = await read(client, handle.workflow_id)

    assert len(late.parts) > 3
    (turn,) = late.turns
    tools = [entry for entry in turn.entries if isinstance(entry, ToolCall)]
    assert [tool.args.content["number"] for tool in tools] == list(range(20))
    assert [entry.id for entry in turn.entries] == [str(number) for number in range(1, 42)]
    assert all(
        entry.usd_nanos is None and entry.attempts == 1 for entry in turn.entries if isinstance(entry, ModelCall)
    )
    seen = [(entry.id, entry.kind, entry.name) for entry in early.entries()]
    assert seen == [(entry.id, entry.kind, entry.name) for entry in late.entries()][: len(seen)]


async def test_a_parked_run_shows_what_it_waits_for_and_later_who_decided(served, read):
    agent = Agent(calling("pay"), name="payer", capabilities=[Durable()])
    broken = [True]

    @agent.tool_plain
    @tool_options(attempts=1, on_failure="park")
    def pay(number: int) -> str:
        """Pay."""
        if broken[0]:
            raise ValueError("the account is locked")
        return "paid"

    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Pay", run_id="p")
    await until(lambda: has_state(handle, "parked"), "the run is parked")

    parked = await read(client, handle.workflow_id)
    broken[0] = False
    await handle.decide("retry")
    await handle.result()
    done = await read(client, handle.workflow_id)

    assert parked.state == "parked"
    assert parked.questions[0].commands[0] == "outlive decide payer/p retry"
    (open_wait,) = [entry for entry in parked.entries() if isinstance(entry, Wait)]
    assert (open_wait.state, open_wait.ended_at, open_wait.name) == ("running", None, "pay")
    (wait,) = [entry for entry in done.entries() if isinstance(entry, Wait)]
    assert (wait.id, wait.state, wait.choice) == (open_wait.id, "done", "retry")
    assert "@" in wait.decided_by
    failed, paid = [entry for entry in done.entries() if isinstance(entry, ToolCall)]
    assert (failed.state, failed.failure.type, failed.failure.message) == (
        "failed",
        "ValueError",
        "the account is locked",
    )
    assert (paid.state, paid.result.content) == ("done", "paid")


async def test_a_call_that_fails_says_its_attempts_and_what_comes_next(served, read):
    can_answer = asyncio.Event()

    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        if not can_answer.is_set():
            raise ModelHTTPError(503, "m", {"message": "overloaded"})
        return ModelResponse(parts=[TextPart("at last")])

    agent = Agent(FunctionModel(answer), name="busy", capabilities=[Durable()])
    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Hi", run_id="b")

    async def is_retrying() -> bool:
        entries = [*(await read(client, handle.workflow_id)).entries()]
        return bool(entries) and entries[0].state == "retrying" and entries[0].attempts >= 2

    await until(is_retrying, "the model was asked twice")
    waiting = next((await read(client, handle.workflow_id)).entries())
    can_answer.set()
    await handle.result()
    done = next((await read(client, handle.workflow_id)).entries())

    assert waiting.state in {"retrying", "running"}
    assert "overloaded" in waiting.failure.message
    assert (done.state, done.text.content) == ("done", "at last")
    assert done.attempts == done.failures + 1 >= 3


async def test_each_turn_of_a_conversation_holds_what_was_said_and_what_steered_it(served, read):
    began, go = asyncio.Event(), asyncio.Event()
    agent = Agent(calling("wait"), name="talker", capabilities=[Durable()])

    @agent.tool_plain
    async def wait(number: int) -> str:
        """Wait."""
        began.set()
        await go.wait()
        return "waited"

    client = await served(App("test", agents=[agent]))
    conversation = await client.conversation(agent, conversation_id="c")
    first = await conversation.say("one", message_id="1")
    await began.wait()
    await conversation.say("faster", steer=True)
    second = await conversation.say("two", message_id="2")
    assert await conversation.say("two", message_id="2") == second
    go.set()
    await conversation.reply(first)
    await conversation.reply(second)
    await conversation.close()
    await conversation.result()

    trace = await read(client, conversation.workflow_id)

    assert [(turn.number, turn.said.content) for turn in trace.turns] == [(1, "one"), (2, "two")]
    (steering,) = [entry for entry in trace.turns[0].entries if isinstance(entry, Message)]
    assert (steering.name, steering.content.content) == ("steering", "faster")
    assert [entry.name for entry in trace.turns[1].entries if isinstance(entry, Message)] == ["close"]


async def test_a_sub_agents_run_is_unfolded_in_its_place_and_counted(served, read):
    researcher = looking("digger")
    chief = Agent(
        FunctionModel(
            lambda messages, _: ModelResponse(
                parts=[
                    TextPart("told")
                    if any(isinstance(part, ToolReturnPart) for part in messages[-1].parts)
                    else ToolCallPart("ask_digger", {"task": "Dig"})
                ]
            )
        ),
        name="foreman",
        capabilities=[Durable(), SubAgents(agents=[researcher])],
    )
    client = await served(App("test", agents=[chief]))
    handle = await client.start_run(chief, "Find", run_id="f")
    await handle.result()
    temporal = await client.temporal()

    trace = await read(client, handle.workflow_id)

    (child,) = [entry for entry in trace.entries() if isinstance(entry, ChildRun)]
    assert (child.name, child.state, child.trace.turns[0].said.content) == ("digger", "done", "Dig")
    assert [entry.id for entry in child.trace.entries()] == [f"{child.id}/{number}" for number in (1, 2, 3)]
    assert child.trace.output.ref == f"{child.id}/output"
    assert (trace.totals.model_calls, trace.totals.tool_calls) == (4, 1)
    value = await TraceReader(temporal, client.settings).value(handle.workflow_id, f"{child.id}/2.result")
    assert value.content == "saw 0"


async def test_a_tool_that_is_a_workflow_is_shown_as_the_tool(served, read):
    agent = Agent(calling("sleep_on_it"), name="dozer", capabilities=[Durable()])

    @agent.tool_plain(metadata={"temporal": {"child_workflow": {}}})
    async def sleep_on_it(number: int) -> str:
        """Sleep on it."""
        await workflow.sleep(0.01)
        return f"slept {number}"

    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Doze", run_id="d")
    await handle.result()

    (child,) = [entry for entry in (await read(client, handle.workflow_id)).entries() if isinstance(entry, ChildRun)]

    assert (child.name, child.state, child.args.content, child.result.content) == (
        "sleep_on_it",
        "done",
        {"number": 0},
        "slept 0",
    )


async def test_a_large_result_is_cut_and_can_be_had_whole(served, read):
    agent = looking("bulky", result="x" * 30_000)
    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Look", run_id="l")
    await handle.result()
    reader = TraceReader(await client.temporal(), client.settings, ledger=client.ledger)

    cut = list((await read(client, handle.workflow_id)).entries())[1]
    whole = list((await read(client, handle.workflow_id, whole=True)).entries())[1]
    alone = await reader.value(handle.workflow_id, cut.result.ref)

    assert cut.result.is_cut
    assert len(cut.result.content) == 2_000
    assert len(whole.result.content) == len(alone.content) == 30_002
    with pytest.raises(RunError, match=r"no value '99\.args'"):
        await reader.value(handle.workflow_id, "99.args")


async def test_a_trace_is_json_for_programs(served, read):
    agent = looking("plainly")
    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Look", run_id="j")
    await handle.result()

    shown = json.loads(json.dumps(as_json(await read(client, handle.workflow_id))))

    kinds = [entry["kind"] for entry in shown["turns"][0]["entries"]]
    assert kinds == ["model_call", "tool_call", "model_call"]
    assert shown["turns"][0]["entries"][1]["result"]["content"] == "saw 0"
    assert shown["began_at"] < shown["ended_at"]


async def test_a_cancelled_run_has_no_call_that_is_still_running(served, read):
    began = asyncio.Event()
    agent = Agent(calling("hang"), name="stopped", capabilities=[Durable()])

    @agent.tool_plain
    async def hang(number: int) -> str:
        """Hang."""
        began.set()
        await asyncio.sleep(3600)
        return ""

    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Do", run_id="s")
    await began.wait()
    running = [*(await read(client, handle.workflow_id)).entries()]
    await handle.cancel()
    await until(lambda: has_state(handle, "cancelled"), "the run is cancelled")

    trace = await read(client, handle.workflow_id)

    assert (running[-1].name, running[-1].state, running[-1].attempts) == ("hang", "running", 1)
    entry = next(entry for entry in trace.entries() if entry.name == "hang")
    assert (trace.state, entry.state) == ("cancelled", "cancelled")


async def test_a_run_whose_first_part_is_gone_says_so_and_shows_the_rest(served, read):
    agent = looking("ageing", times=20)
    client = await served(App("test", agents=[agent]))
    start = AgentInput(agent="ageing", inbox=[AgentMessage(message_id="m", content="Look")], events_per_run=40)
    await client._start("agent/ageing/old", start, summary="old")
    await (await client.run("old", agent="ageing")).result()
    temporal = await client.temporal()
    whole = await read(client, "agent/ageing/old")

    await delete_run(temporal, "agent/ageing/old", whole.parts[0].id)

    async def is_gone() -> bool:
        return len((await read(client, "agent/ageing/old")).parts) < len(whole.parts)

    await until(is_gone, "the first workflow run is deleted")
    rest = await read(client, "agent/ageing/old")

    assert "The beginning is gone" in rest.notes[0]
    assert rest.output.content == "done: Look"
    assert (rest.turns[0].number, rest.turns[0].said) == (1, None)
    assert 0 < len([*rest.entries()]) < len([*whole.entries()])


async def test_an_unknown_run_is_an_error_that_says_where_to_look(served, read):
    client = await served(App("test", agents=[looking("nobody")]))

    with pytest.raises(RunError, match="outlive runs"):
        await read(client, "agent/nobody/none")


async def delete_run(temporal, workflow_id: str, run_id: str) -> None:
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest

    execution = WorkflowExecution(workflow_id=workflow_id, run_id=run_id)
    request = DeleteWorkflowExecutionRequest(namespace=temporal.namespace, workflow_execution=execution)
    await temporal.workflow_service.delete_workflow_execution(request)

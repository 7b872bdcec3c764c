"""A scripted model says the same to the same conversation, and counts from the outside who asked it what."""

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager

import aiohttp
import pytest
from openai import AsyncOpenAI
from pydantic_ai import Agent, ModelHTTPError
from pydantic_ai.messages import PartDeltaEvent, TextPartDelta, ToolCallPart
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider

from outlive.testing.loopback import server_process
from outlive.testing.scripted_model import Reply, ScriptedModelServer, answers_so_far, digest_of, read_log, replies

SUM = replies(
    Reply(tool_calls=[("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4})]),
    Reply(text="One more.", tool_calls=[("add", {"a": 3, "b": 7})]),
    "The sum of all four numbers is ten, and no more than that.",
)


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as opened:
        yield opened


@asynccontextmanager
async def adding(server):
    """An agent whose model is the server, and which tries each call once."""
    async with AsyncOpenAI(base_url=server.base_url, api_key="none", max_retries=0) as client:
        agent = Agent(OpenAIChatModel("scripted", provider=OpenAIProvider(openai_client=client)))

        @agent.tool_plain
        def add(a: int, b: int) -> int:
            return a + b

        yield agent


def calls_of(result):
    parts = [part for message in result.all_messages() for part in message.parts]
    return [part.args_as_dict() for part in parts if isinstance(part, ToolCallPart)]


def prompt(*texts, **more):
    """A conversation in which user and model speak in turns."""
    roles = ("user", "assistant")
    messages = [{"role": roles[place % 2], "content": text} for place, text in enumerate(texts)]
    return {"model": "scripted", "messages": messages, **more}


async def ask(session, server, body, **headers):
    async with session.post(f"{server.base_url}/chat/completions", json=body, headers=headers) as response:
        return response.status, response.headers, await response.read()


def content(answer):
    return json.loads(answer[2])["choices"][0]["message"]["content"]


def chunks(streamed):
    events = [line[6:] for line in streamed.decode().split("\n\n") if line]
    return [json.loads(event) for event in events if event != "[DONE]"]


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the server has no event for what it counts
            await asyncio.sleep(0.01)


# -- the script


async def test_an_agent_is_led_through_the_script():
    async with ScriptedModelServer(SUM) as server, adding(server) as agent:
        result = await agent.run("Add 1, 2, 3 and 4")

    assert calls_of(result) == [{"a": 1, "b": 2}, {"a": 3, "b": 4}, {"a": 3, "b": 7}]
    assert result.output == "The sum of all four numbers is ten, and no more than that."
    assert server.counts.totals()["calls"] == 3


async def test_a_streaming_agent_is_led_through_the_same_script():
    deltas = []

    async def handle(_, events):
        told = [event.delta async for event in events if isinstance(event, PartDeltaEvent)]
        deltas.extend(delta.content_delta for delta in told if isinstance(delta, TextPartDelta))

    async with ScriptedModelServer(SUM) as server, adding(server) as agent:
        whole = await agent.run("Add 1, 2, 3 and 4")
        streamed = await agent.run("Add 1, 2, 3 and 4", event_stream_handler=handle)

    assert calls_of(streamed) == calls_of(whole)
    assert streamed.output == whole.output
    assert len(deltas) >= 4


async def test_the_same_conversation_gets_the_same_reply_however_often_it_is_asked(session):
    async with ScriptedModelServer(replies("first", "second")) as server:
        answers = [await ask(session, server, prompt("a")) for _ in range(3)]
        later = await ask(session, server, prompt("a", "first", "b"))

    assert {content(answer) for answer in answers} == {"first"}
    assert content(later) == "second"


async def test_a_function_sees_messages_and_tools(session):
    def script(messages, tools):
        names = [tool["function"]["name"] for tool in tools]
        return f"{messages[-1]['content']} after {answers_so_far(messages)} with {names}"

    tools = [{"type": "function", "function": {"name": "add", "parameters": {}}}]
    async with ScriptedModelServer(script) as server:
        answer = await ask(session, server, prompt("a", "x", "b", tools=tools))

    assert content(answer) == "b after 1 with ['add']"


async def test_a_conversation_beyond_the_script_is_told_so():
    script = replies(Reply(tool_calls=[("add", {"a": 1, "b": 2})]))
    async with ScriptedModelServer(script) as server, adding(server) as agent:
        with pytest.raises(ModelHTTPError, match="The script has 1 replies") as caught:
            await agent.run("Add")

    assert caught.value.status_code == 400


async def test_a_stream_adds_up_to_the_whole_answer_in_small_deltas(session):
    reply = Reply(text="Twenty-seven words are more than three.", input_tokens=11, output_tokens=7)
    async with ScriptedModelServer(lambda _messages, _tools: reply) as server:
        whole = await ask(session, server, prompt("a"))
        _, _, streamed = await ask(session, server, prompt("a", stream=True, stream_options={"include_usage": True}))

    deltas = [part["delta"].get("content") or "" for chunk in chunks(streamed) for part in chunk["choices"]]
    assert "".join(deltas) == content(whole) == reply.text
    assert max(map(len, deltas)) <= 12
    assert chunks(streamed)[-1]["usage"] == json.loads(whole[2])["usage"]
    assert chunks(streamed)[-1]["usage"]["total_tokens"] == 18


async def test_a_stream_pauses_before_each_delta(session):
    async with (
        ScriptedModelServer(replies("word " * 20), pause=30) as server,
        session.post(f"{server.base_url}/chat/completions", json=prompt("a", stream=True)) as response,
    ):
        assert response.status == 200
        assert response.content.total_bytes == 0
        assert server.counts.in_flight == 1


async def test_a_reply_may_end_as_cut_short(session):
    async with ScriptedModelServer(replies(Reply(text="To be con", finish_reason="length"))) as server:
        answer = await ask(session, server, prompt("a"))

    assert json.loads(answer[2])["choices"][0]["finish_reason"] == "length"


async def test_a_model_can_be_looked_up(session):
    async with ScriptedModelServer(SUM) as server, session.get(f"{server.base_url}/models/gpt-5-mini") as response:
        assert (await response.json())["id"] == "gpt-5-mini"


# -- counts


async def test_repeats_are_counted_by_the_digest_of_the_request(session):
    async with ScriptedModelServer(replies("first", "second")) as server:
        await ask(session, server, prompt("a"), **{"Idempotency-Key": "one"})
        await ask(session, server, prompt("a"), **{"Idempotency-Key": "one"})
        await ask(session, server, prompt("a", "first", "b"))
        async with session.get(f"{server.address}/_counts") as response:
            counts = await response.json()

    assert (counts["calls"], counts["completed"], counts["repeated_after_completion"]) == (3, 3, 1)
    assert counts["by_digest"][digest_of(prompt("a"))]["keys"] == ["one", "one"]
    assert len(counts["by_digest"]) == 2


async def test_a_call_whose_client_went_away_did_not_complete(session):
    async with ScriptedModelServer(replies("first"), latency=30) as server:
        waiting = asyncio.create_task(ask(session, server, prompt("a")))
        await until(lambda: server.counts.in_flight == 1)
        waiting.cancel()
        await until(lambda: server.counts.in_flight == 0)
        totals = server.counts.totals()

    assert (totals["calls"], totals["completed"], totals["abandoned"]) == (1, 0, 1)


async def test_every_request_is_logged_when_it_arrives(session, tmp_path):
    log = tmp_path / "calls.jsonl"
    async with ScriptedModelServer(replies("first", "second"), faults={1: "error"}, log=log) as server:
        await ask(session, server, prompt("a"), **{"Idempotency-Key": "one"})
        await ask(session, server, prompt("a", "first", "b"))
        server.latency = 30
        waiting = asyncio.create_task(ask(session, server, prompt("a")))
        await until(lambda: server.counts.in_flight == 1)
        lines = read_log(log)
        waiting.cancel()

    assert [(line["index"], line["answers"], line["key"]) for line in lines] == [
        (0, 0, "one"),
        (1, 1, None),
        (2, 0, None),
    ]
    assert lines[0]["digest"] == lines[2]["digest"] != lines[1]["digest"]
    assert lines[0]["at"] <= lines[1]["at"] <= lines[2]["at"]


# -- faults


@pytest.mark.parametrize(
    ("fault", "status", "code"),
    [
        ("rate_limit:2.5", 429, "rate_limit_exceeded"),
        ("error", 500, "server_error"),
        ("refused", 401, "invalid_api_key"),
    ],
)
async def test_a_fault_strikes_the_call_of_its_index_and_no_other(session, fault, status, code):
    async with ScriptedModelServer(replies("first"), faults={1: fault}) as server:
        answers = [await ask(session, server, prompt("a")) for _ in range(3)]
        totals = server.counts.totals()

    assert [answer[0] for answer in answers] == [200, status, 200]
    assert json.loads(answers[1][2])["error"]["code"] == code
    assert answers[1][1].get("Retry-After") == ("2.5" if status == 429 else None)
    assert (totals["faulted"], totals["completed"]) == (1, 2)


async def test_a_cut_answer_ends_before_its_end(session):
    async with ScriptedModelServer(replies("word " * 20), faults={0: "cut", 1: "cut"}) as server:
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask(session, server, prompt("a"))
        _, _, streamed = await ask(session, server, prompt("a", stream=True))

    assert b"word" in streamed
    assert b'finish_reason": "stop' not in streamed
    assert b"[DONE]" not in streamed
    assert server.counts.completed == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_a_stalled_answer_begins_and_never_ends(session, stream):
    async with (
        ScriptedModelServer(replies("word " * 20), faults={0: "stall"}) as server,
        session.post(f"{server.base_url}/chat/completions", json=prompt("a", stream=stream)) as response,
    ):
        first = await response.content.readany()

        assert b'"role": "assistant"' in first
        assert server.counts.in_flight == 1
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await response.content.read()


@pytest.mark.parametrize("stream", [False, True])
async def test_garbage_is_not_json(session, stream):
    async with ScriptedModelServer(replies("first"), faults={0: "garbage"}) as server:
        status, _, body = await ask(session, server, prompt("a", stream=stream))

    assert status == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(body.removeprefix(b"data: "))


async def test_faults_can_be_announced_while_it_serves(session):
    async with ScriptedModelServer(replies("first")) as server:
        await ask(session, server, prompt("a"))
        await session.post(f"{server.address}/_faults", json={"1": "error"})
        refused = await session.post(f"{server.address}/_faults", json={"2": "nonsense"})
        answers = [(await ask(session, server, prompt("a")))[0] for _ in range(2)]

    assert answers == [500, 200]
    assert refused.status == 400
    assert "Unknown fault 'nonsense'" in await refused.text()


# -- a process of its own


SCRIPT_FILE = """
from outlive.testing.scripted_model import Reply

SAID = [Reply(tool_calls=[("add", {"a": 1, "b": 2})]), "three"]

def script(messages, tools):
    return "from a function"
"""


@pytest.mark.parametrize(("name", "expected"), [("SAID", None), ("script", "from a function")])
async def test_a_script_file_is_served_by_a_process(session, tmp_path, name, expected):
    (tmp_path / "said.py").write_text(SCRIPT_FILE)
    log = tmp_path / "calls.jsonl"
    arguments = ("--script", f"{tmp_path / 'said.py'}:{name}", "--port", "0", "--log", str(log), "--fault", "1=error")
    async with server_process("outlive.testing.scripted_model", *arguments) as server:
        answers = []
        for _ in range(2):
            async with session.post(f"{server.address}/v1/chat/completions", json=prompt("a")) as response:
                answers.append((response.status, await response.json()))

    assert [status for status, _ in answers] == [200, 500]
    assert answers[0][1]["choices"][0]["message"]["content"] == expected
    assert [line["index"] for line in read_log(log)] == [0, 1]


CLIENT = """
import asyncio, sys, aiohttp
async def main():
    async with aiohttp.ClientSession() as session:
        await session.post(sys.argv[1], json={"model": "m", "messages": [{"role": "user", "content": "a"}]})
asyncio.run(main())
"""


async def test_a_client_that_is_killed_has_been_logged_and_did_not_complete(tmp_path):
    log = tmp_path / "calls.jsonl"
    async with ScriptedModelServer(replies("first"), latency=30, log=log) as server:
        address = f"{server.base_url}/chat/completions"
        client = await asyncio.create_subprocess_exec(sys.executable, "-c", CLIENT, address)
        await until(lambda: server.counts.in_flight == 1)
        os.kill(client.pid, signal.SIGKILL)
        await client.wait()
        await until(lambda: server.counts.in_flight == 0)

    assert len(read_log(log)) == 1
    assert server.counts.completed == 0

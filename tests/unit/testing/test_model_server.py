"""The counting model server counts what clients did, not what they meant to do."""

import asyncio
import json

import aiohttp
import pytest

from outlive.testing.model_server import Faults, ModelServer

SCHEMA = {
    "type": "object",
    "properties": {
        "summary": {"type": "string", "minLength": 5},
        "topics": {"type": "array", "items": {"$ref": "#/$defs/Topic"}, "minItems": 2},
        "score": {"type": "integer", "minimum": 1, "maximum": 5},
        "tone": {"enum": ["dry", "warm"]},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
    },
    "required": ["summary", "topics", "score", "tone", "note"],
    "$defs": {"Topic": {"type": "object", "properties": {"name": {"type": "string"}}}},
}


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as opened:
        yield opened


def prompt(name, **more):
    return {
        "model": "counting",
        "messages": [{"role": "user", "content": f"[document {name}] A text on harbours."}],
        **more,
    }


async def ask(session, server, body, **headers):
    async with session.post(f"{server.base_url}/chat/completions", json=body, headers=headers) as response:
        return response.status, response.headers, await response.read()


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the server has no event for what it counts
            await asyncio.sleep(0.01)


async def test_the_same_prompt_has_the_same_answer(session):
    async with ModelServer() as server:
        answers = [json.loads((await ask(session, server, prompt("a")))[2])["choices"][0]["message"] for _ in range(2)]

    assert answers[0] == answers[1]
    assert "harbours" in answers[0]["content"]


async def test_an_answer_fits_the_schema_that_was_asked_for(session):
    asked = prompt("a", response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}})
    async with ModelServer() as server:
        _, _, body = await ask(session, server, asked)

    answer = json.loads(json.loads(body)["choices"][0]["message"]["content"])
    assert set(answer) == set(SCHEMA["properties"])
    assert len(answer["topics"]) >= 2
    assert all(isinstance(topic["name"], str) for topic in answer["topics"])
    assert 1 <= answer["score"] <= 5
    assert answer["tone"] in {"dry", "warm"}


async def test_an_offered_tool_is_called_with_arguments_that_fit_it(session):
    tool = {"type": "function", "function": {"name": "final", "parameters": SCHEMA}}
    async with ModelServer() as server:
        _, _, body = await ask(session, server, prompt("a", tools=[tool], tool_choice="required"))

    choice = json.loads(body)["choices"][0]
    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["tool_calls"][0]["function"]["name"] == "final"
    assert set(json.loads(choice["message"]["tool_calls"][0]["function"]["arguments"])) == set(SCHEMA["properties"])


async def test_a_stream_adds_up_to_the_whole_answer(session):
    async with ModelServer() as server:
        _, _, whole = await ask(session, server, prompt("a"))
        _, _, streamed = await ask(session, server, prompt("a", stream=True, stream_options={"include_usage": True}))

    events = [line[6:] for line in streamed.decode().split("\n\n") if line]
    assert events[-1] == "[DONE]"
    chunks = [json.loads(event) for event in events[:-1]]
    text = "".join(part["delta"].get("content") or "" for chunk in chunks for part in chunk["choices"])
    assert text == json.loads(whole)["choices"][0]["message"]["content"]
    assert chunks[-1]["usage"]["total_tokens"] == json.loads(whole)["usage"]["total_tokens"]


async def test_calls_are_counted_by_document_with_their_keys(session):
    async with ModelServer() as server:
        await ask(session, server, prompt("a"), **{"Idempotency-Key": "one"})
        await ask(session, server, prompt("a"), **{"Idempotency-Key": "two"})
        await ask(session, server, prompt("b"))
        async with session.get(f"{server.address}/_counts?documents=repeated") as response:
            counts = await response.json()

    assert (counts["calls"], counts["completed"], counts["documents"]) == (3, 3, 2)
    assert (counts["repeated"], counts["repeated_after_completion"], counts["repeated_under_another_key"]) == (1, 1, 1)
    assert counts["by_document"]["a"]["keys"] == ["one", "two"]
    assert "b" not in counts["by_document"]


async def test_prompts_without_a_marker_are_told_apart_by_their_text(session):
    async with ModelServer() as server:
        for text in ("one", "two", "one"):
            await ask(session, server, {"model": "m", "messages": [{"role": "user", "content": text}]})

        assert (server.counts.totals()["documents"], server.counts.totals()["repeated"]) == (2, 1)


async def test_a_call_whose_client_went_away_did_not_complete(session):
    async with ModelServer(latency=30) as server:
        waiting = asyncio.create_task(ask(session, server, prompt("a")))
        await until(lambda: server.counts.in_flight == 1)
        waiting.cancel()
        await until(lambda: server.counts.in_flight == 0)
        server.latency = 0
        await ask(session, server, prompt("a"))
        totals = server.counts.totals()

    assert (totals["calls"], totals["completed"], totals["abandoned"]) == (2, 1, 1)
    assert (totals["repeated"], totals["repeated_after_completion"]) == (1, 0)


async def test_too_many_calls_a_second_are_answered_429_and_are_no_repeats(session):
    async with ModelServer(faults=Faults(calls_per_second=0.001, retry_after=3)) as server:
        server._allowance = 1.0
        results = [await ask(session, server, prompt("a")) for _ in range(2)]

        assert [status for status, _, _ in results] == [200, 429]
        assert results[1][1]["Retry-After"] == "3"
        assert server.counts.totals()["repeated"] == 0


@pytest.mark.parametrize(
    ("faults", "status", "code"),
    [
        (Faults(refuse_key=True), 401, "invalid_api_key"),
        (Faults(error_share=1.0), 503, "overloaded"),
    ],
)
async def test_a_fault_is_answered_as_the_provider_would(session, faults, status, code):
    async with ModelServer(faults=faults) as server:
        answered, _, body = await ask(session, server, prompt("a"))

    assert (answered, json.loads(body)["error"]["code"]) == (status, code)


async def test_an_exhausted_quota_stays_exhausted(session):
    async with ModelServer(faults=Faults(quota=2)) as server:
        results = [await ask(session, server, prompt(str(number))) for number in range(4)]

    assert [status for status, _, _ in results] == [200, 200, 429, 429]
    assert json.loads(results[3][2])["error"]["code"] == "insufficient_quota"


async def test_a_cut_answer_ends_before_its_end(session):
    async with ModelServer(faults=Faults(cut_share=1.0)) as server:
        with pytest.raises(aiohttp.ClientPayloadError):
            await ask(session, server, prompt("a"))
        _, _, streamed = await ask(session, server, prompt("a", stream=True))

        assert b'finish_reason": "stop' not in streamed
        assert b"[DONE]" not in streamed
        assert server.counts.completed == 0


async def test_a_spoiled_answer_is_not_json(session):
    asked = prompt("a", response_format={"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA}})
    async with ModelServer(faults=Faults(invalid_share=1.0)) as server:
        _, _, body = await ask(session, server, asked)

    with pytest.raises(json.JSONDecodeError):
        json.loads(json.loads(body)["choices"][0]["message"]["content"])


async def test_latency_and_faults_can_be_changed_while_it_serves(session):
    async with ModelServer() as server:
        await session.post(f"{server.address}/_set", json={"latency": 0.5, "error_share": 1.0})

        assert server.latency == 0.5
        assert (await ask(session, server, prompt("a")))[0] == 503

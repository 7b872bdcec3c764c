"""A model server that misbehaves, and what an agent with tools makes of it. Real HTTP, streaming."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ToolReturnPart
from yarl import URL

import mishaps
from engines import until
from outlive import App, Durable
from outlive.client import Client
from outlive.errors import RunFailed
from outlive.runs import RunHandle
from outlive.settings import Settings
from outside import Mishap, Outside
from temporal.agents.conftest import serving

PROMPT = "[run one] Act 1 times."
WHOLE = "acted 1 times; heard 1"


@dataclass
class Faulty:
    """An agent with a tool, and its model server."""

    outside: Outside
    client: Client
    acted: list[int]

    async def begin(self, *plan: Mishap | None) -> RunHandle[Any]:
        """Start a run whose model calls meet these, one after the other, before all is well."""
        self.outside.plan.extend(plan)
        return await self.client.start_run("actor", PROMPT)

    async def result(self, *plan: Mishap | None) -> Any:
        """Run until the end."""
        return await (await self.begin(*plan)).result()

    @property
    def statuses(self) -> list[int]:
        """What the model server answered, call by call; 499 where the caller had gone."""
        return [call.status for call in self.outside.of("one", "model")]


@pytest.fixture
async def outside(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outside]:
    async with Outside() as outside:
        monkeypatch.setenv("OPENAI_BASE_URL", outside.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        yield outside


@pytest.fixture
async def faulty(outside: Outside, settings: Settings) -> AsyncIterator[Faulty]:
    agent: Agent[None, str] = Agent("openai:outside", name="actor", capabilities=[Durable()])
    acted: list[int] = []

    @agent.tool_plain
    def act(run: str, number: int) -> str:
        """Act."""
        acted.append(number)
        return f"did {number}"

    async with serving(App("test", agents=[agent]), replace(settings, model_timeout=2.0)) as client:
        yield Faulty(outside=outside, client=client, acted=acted)


async def test_a_rate_limit_is_waited_for_as_long_as_it_says(faulty: Faulty):
    result = await faulty.result(mishaps.refusal(429, "rate_limit_exceeded", "Slow down.", retry_after=3))
    first, second = faulty.outside.of("one", "model")[:2]

    assert result.output == WHOLE
    assert faulty.statuses == [429, 200, 200]
    assert second.begun - first.begun >= 3.0
    assert first.key == second.key


@pytest.mark.parametrize("status", [500, 502, 503, 529, 408])
async def test_a_server_error_is_tried_again(faulty: Faulty, status: int):
    result = await faulty.result(
        mishaps.refusal(status, "server_error", "It broke."), None, mishaps.bare(502, "<html>")
    )

    assert result.output == WHOLE
    assert faulty.statuses == [status, 200, 502, 200]
    assert faulty.acted == [0]


@pytest.mark.parametrize("cut", [mishaps.cut, mishaps.ended_early, mishaps.ended_early_with_done])
async def test_a_stream_that_was_cut_is_never_taken_for_an_answer(faulty: Faulty, cut: Mishap):
    result = await faulty.result(None, cut)

    assert result.output == WHOLE
    assert faulty.statuses == [200, 200, 200]
    assert "It is done" not in str(result.messages)


@pytest.mark.parametrize("stall", [mishaps.stall, mishaps.silence])
async def test_a_server_that_falls_silent_is_given_up_after_the_model_timeout_and_asked_again(
    faulty: Faulty, stall: Mishap
):
    handle = await faulty.begin(stall)
    result = await handle.result()
    failed = [event.data async for event in handle.events() if event.kind == "model_call_failed"]

    assert result.output == WHOLE
    assert faulty.statuses == [499, 200, 200]
    assert "2 s" in failed[0]["message"]


GARBAGE = {
    "a page": mishaps.bare(200, "<html>Welcome to the proxy</html>"),
    "no JSON": mishaps.told("{not json"),
    "a list": mishaps.told("[1, 2]"),
    "a number": mishaps.told("7"),
    "another schema": mishaps.told(json.dumps({"hello": "world"}), "[DONE]"),
    "choices of another kind": mishaps.told(json.dumps({"id": "1", "choices": "none"}), "[DONE]"),
    "nothing": mishaps.told(),
    "an end alone": mishaps.told("[DONE]"),
}


@pytest.mark.parametrize("kind", GARBAGE)
async def test_garbage_is_asked_again(faulty: Faulty, kind: str):
    result = await faulty.result(GARBAGE[kind], None, GARBAGE[kind])

    assert result.output == WHOLE
    assert len(faulty.statuses) == 4


@pytest.mark.parametrize("kind", GARBAGE)
async def test_a_server_that_gives_nothing_but_garbage_fails_the_run_with_a_clear_error(faulty: Faulty, kind: str):
    handle = await faulty.begin(*[GARBAGE[kind]] * 20)
    async with asyncio.timeout(20):  # the bounded attempts take 3 s
        with pytest.raises(RunFailed) as caught:
            await handle.result()

    assert caught.value.status == "FAILED"
    assert "answered 3 times with what is no answer" in str(caught.value)
    assert faulty.statuses == [200, 200, 200]


async def test_an_outage_before_it_costs_a_garbled_answer_no_attempt(faulty: Faulty):
    outage = mishaps.refusal(503, "overloaded", "Later.", retry_after=0.1)
    result = await faulty.result(outage, outage, outage, GARBAGE["nothing"])

    assert result.output == WHOLE


async def test_a_refused_key_parks_the_run_until_it_is_mended(faulty: Faulty):
    handle = await faulty.begin(None, mishaps.refusal(401, "invalid_api_key", "Incorrect API key provided."))
    await until(lambda: _is(handle, "parked"), "the run is parked")
    questions = (await handle.status()).questions
    asked = faulty.statuses
    await handle.decide("retry")
    result = await handle.result()

    assert asked == [200, 401]
    assert "Incorrect API key provided." in questions[0].reason
    assert result.output == WHOLE
    assert faulty.acted == [0]


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (429, "insufficient_quota", "You exceeded your current quota."),
        (402, "payment_required", "Your balance is empty."),
        (403, "forbidden", "Not in your country."),
        (404, "model_not_found", "The model does not exist."),
    ],
)
async def test_a_model_that_refuses_every_call_parks_the_run(faulty: Faulty, status: int, code: str, message: str):
    handle = await faulty.begin(mishaps.refusal(status, code, message))
    await until(lambda: _is(handle, "parked"), "the run is parked")
    questions = (await handle.status()).questions
    asked = faulty.statuses
    await handle.decide("retry")
    result = await handle.result()

    assert asked == [status]
    assert message in questions[0].reason
    assert result.output == WHOLE


async def test_a_parked_run_that_is_stopped_fails_with_what_it_waited_for(faulty: Faulty):
    handle = await faulty.begin(mishaps.refusal(401, "invalid_api_key", "Incorrect API key provided."))
    await until(lambda: _is(handle, "parked"), "the run is parked")
    await handle.decide("stop")

    with pytest.raises(RunFailed, match="Incorrect API key provided"):
        await handle.result()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("invalid_request_error", "Unknown parameter: 'temprature'."),
        ("context_length_exceeded", "This model's maximum context length is 8192 tokens."),
    ],
)
async def test_a_request_that_the_provider_rejects_fails_the_run_with_its_words(
    faulty: Faulty, code: str, message: str
):
    handle = await faulty.begin(None, mishaps.refusal(400, code, message))

    with pytest.raises(RunFailed) as caught:
        await handle.result()
    assert message in str(caught.value)
    assert faulty.statuses == [200, 400]


@pytest.fixture
async def unreachable(outside: Outside, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    """An agent whose model server is down: at the address `Outside` has had."""
    async with Outside() as gone:
        monkeypatch.setenv("OPENAI_BASE_URL", gone.base_url)
    agent: Agent[None, str] = Agent("openai:outside", name="actor", capabilities=[Durable()])
    async with serving(App("test", agents=[agent]), settings) as client:
        yield client


async def test_a_server_that_is_down_for_a_while_is_waited_for(unreachable: Client):
    handle = await unreachable.start_run("actor", "[run one] Act 0 times.")
    await until(lambda: _tries(handle, 3), "it is tried again and again")
    port = URL(os.environ["OPENAI_BASE_URL"]).port
    async with Outside(port=port or 0):
        result = await handle.result()

    assert result.output == "acted 0 times; heard 1"


async def test_a_server_that_is_down_is_called_so(unreachable: Client):
    handle = await unreachable.start_run("actor", "[run one] Act 0 times.")
    await until(lambda: _tries(handle, 2), "it is tried again")
    waiting = (await handle.status()).waiting
    await handle.cancel()

    assert "timed out" not in waiting[0].reason
    assert "Connection error: Cannot connect to host 127.0.0.1" in waiting[0].reason


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("act", '{"run": "one", "numb', "Invalid JSON"),
        ("act", '{"run": "one", "number": "many"}', "valid integer"),
        ("fly", "{}", "Unknown tool name"),
    ],
)
async def test_a_call_of_a_tool_that_cannot_be_is_told_to_the_model(
    faulty: Faulty, name: str, arguments: str, said: str
):
    result = await faulty.result(mishaps.misspelt_call(name, arguments))

    parts = [part for message in result.messages for part in message.parts]
    assert faulty.acted == []
    assert said in str([part.content for part in parts if isinstance(part, ToolReturnPart)])


async def _is(handle: RunHandle[Any], state: str) -> bool:
    return (await handle.status()).state == state


async def _tries(handle: RunHandle[Any], count: int) -> bool:
    return any(waiting.attempt >= count for waiting in (await handle.status()).waiting)

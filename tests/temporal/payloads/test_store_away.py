"""A payload store that is away, as an object store may be for a while."""

import logging
import random
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from engines import fresh, until
from outlive import App, Durable
from temporal.agents.conftest import serving, settings

__all__ = ["settings"]

LARGE = random.Random(1).randbytes(30_000).hex()


def call_once(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    if any(isinstance(part, ToolReturnPart) for message in messages for part in message.parts):
        return ModelResponse(parts=[TextPart("done")])
    return ModelResponse(parts=[ToolCallPart(info.function_tools[0].name, {})])


async def test_a_result_waits_for_a_store_that_is_away_and_its_call_is_not_made_again(
    settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    store, aside, calls = tmp_path / "store", tmp_path / "aside", []
    agent = Agent(FunctionModel(call_once), name=fresh("bringer"), capabilities=[Durable()])

    @agent.tool_plain
    async def bring() -> str:
        """Bring something large, when the store has just gone."""
        calls.append(store.rename(aside))
        store.touch()  # where its folder was: whatever is written fails
        return LARGE

    app = App("away", agents=[agent])
    store.mkdir()
    async with serving(app, replace(settings, payloads=store.as_uri())) as client:
        with caplog.at_level(logging.WARNING, "outlive.worker.storing"):
            handle = await client.start_run(agent, "Bring it.")
            await until(lambda: "waits for the payload store" in caplog.text, "a result waits")
        store.unlink()
        aside.rename(store)
        result = await handle.result()

    assert result.output == "done"
    assert LARGE in str(result.messages)
    assert len(calls) == 1

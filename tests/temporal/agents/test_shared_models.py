"""A worker's models are shared by its calls. The workflows beside them never wait for what calls hold."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from pydantic_ai import Agent

from engines import until
from outlive import App, Durable
from outlive.agents.services import services
from outlive.runs import RunHandle
from outside import Outside
from temporal.agents.conftest import serving

MODEL = "openai:outside"


async def has_worked(handle: RunHandle[Any]) -> bool:
    temporal = await handle.connection.temporal()
    history = await temporal.get_workflow_handle(handle.workflow_id).fetch_history()
    return any(event.HasField("workflow_task_completed_event_attributes") for event in history.events)


async def test_a_workflow_is_not_handed_the_lock_of_a_models_provider(settings, monkeypatch: pytest.MonkeyPatch):
    agent: Agent[None, str] = Agent(name="actor", capabilities=[Durable()])  # its model is the worker's

    async with Outside() as outside:
        monkeypatch.setenv("OPENAI_BASE_URL", outside.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        async with serving(App("test", agents=[agent]), replace(settings, model=MODEL)) as client:
            await until(lambda: services() is not None, "the worker offers models")
            offered = services()
            assert offered is not None
            provider = offered.model(MODEL).provider
            assert provider is not None
            async with provider._enter_lock:  # as a call does that begins or ends
                handle = await client.start_run("actor", "[run one] Act 0 times.")
                await until(lambda: has_worked(handle), "its workflow has done what it can")
                await asyncio.sleep(0.5)  # and a call waits: that wakes no workflow
            async with asyncio.timeout(30):
                result = await handle.result()

    assert result.output == "acted 0 times; heard 1"

"""A project with a payload store of its own on the session's engine, and a worker for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic_ai.durable_exec.temporal import PydanticAIPlugin
from temporalio.client import Client
from temporalio.worker import Worker

from conftest import RunningEngine
from outlive.engine.connection import connect
from outlive.payloads.vault import vault_of
from outlive.settings import Settings
from temporal.payloads.workflows import Heavy, Local, Talking, answer, double


@pytest.fixture
def settings(engine: RunningEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The session's engine is to this project a cluster that somebody runs."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", engine.state.address)
    return replace(engine.settings, home=tmp_path / ".outlive")


@pytest.fixture
async def client(settings: Settings) -> Client:
    return await connect(settings)


@asynccontextmanager
async def working(client: Client, task_queue: str, **options: Any) -> AsyncIterator[Worker]:
    """Serve the workflows of these tests."""
    async with Worker(
        client,
        task_queue=task_queue,
        workflows=[Heavy, Local, Talking],
        activities=[answer, double],
        plugins=[PydanticAIPlugin()],
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),  # the next worker goes on sooner
        **options,
    ) as worker:
        yield worker


async def chunk_count(settings: Settings) -> int:
    return (await vault_of(settings).ask(lambda store: store.facts())).chunks

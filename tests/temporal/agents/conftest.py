"""An app's worker in this process, on the session's engine: its own state folder, its own task queue."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from conftest import RunningEngine
from outlive.app import App
from outlive.client import Client
from outlive.engine.connection import connect
from outlive.settings import Settings
from outlive.worker.process import serve


@pytest.fixture
def settings(engine: RunningEngine, task_queue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a project on the session's engine, which to it is a cluster that somebody runs."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", engine.state.address)
    return replace(engine.settings, home=tmp_path / ".outlive", task_queue=task_queue, drain_timeout=2.0)


@asynccontextmanager
async def serving(app: App, settings: Settings) -> AsyncIterator[Client]:
    """Serve an app in this process, and give a client for it."""
    stop = asyncio.Event()
    async with Client(settings, app=app) as client:
        worker = asyncio.create_task(serve(await connect(settings), app, settings, stop))
        try:
            yield client
        finally:
            stop.set()
            await worker


@pytest.fixture
async def served(settings: Settings) -> AsyncIterator[Callable[[App], "asyncio.Future[Client]"]]:
    """Serve apps until the end of the test: ``client = await served(app)``."""
    async with AsyncExitStack() as stack:

        async def begin(app: App) -> Client:
            return await stack.enter_async_context(serving(app, settings))

        yield begin

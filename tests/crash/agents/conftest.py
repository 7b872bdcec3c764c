from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from crash.agents.projects import AgentProject, agent_project, world
from engines import settings_for
from outlive.settings import Settings
from outside import Outside


@pytest.fixture
async def outside(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outside]:
    async with world(monkeypatch.setenv) as outside:
        yield outside


@pytest.fixture
async def new_project(
    engine, task_queue: str, tmp_path: Path, outside: Outside, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Callable[[str], Awaitable[AgentProject]]]:
    """Make projects on the session's engine: ``project = await new_project("name")``."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", engine.state.address)
    async with AsyncExitStack() as stack:

        async def begin(name: str) -> AgentProject:
            home, queue = tmp_path / name / ".outlive", f"{task_queue}-{name}"
            settings = Settings(home=home, task_queue=queue, drain_timeout=5.0)
            return await stack.enter_async_context(agent_project(settings, outside))

        yield begin


@pytest.fixture
async def project(new_project) -> AgentProject:
    return await new_project("one")


@pytest.fixture
async def own_project(tmp_path: Path, task_queue: str, outside: Outside) -> AsyncIterator[AgentProject]:
    """A project whose engine is its own to kill."""
    settings = settings_for(tmp_path / ".outlive", task_queue=task_queue, drain_timeout=5.0)
    async with agent_project(settings, outside) as project:
        yield project

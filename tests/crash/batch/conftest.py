from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crash.batch.projects import Project, project_in
from engines import fresh
from outlive.settings import Settings


@pytest.fixture
def batch_id() -> str:
    return fresh("batch")


@pytest.fixture
def drain_timeout() -> float:
    """Seconds that a worker of the project has to drain."""
    return 2.0


@pytest.fixture
async def project(
    engine, task_queue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drain_timeout: float
) -> AsyncIterator[Project]:
    """A project on the session's engine, with a ledger, a task queue and a model server of its own."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", engine.state.address)
    settings = Settings(
        home=tmp_path / ".outlive", task_queue=task_queue, model_attempts=2, drain_timeout=drain_timeout
    )
    async with project_in(settings, monkeypatch.setenv, latency=0.02) as project:
        yield project

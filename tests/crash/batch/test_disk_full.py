"""The disk under the ledger is full: nothing more is paid for, nothing is lost, and all goes on when there is room."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crash.batch.projects import Project, is_intact, project_in, texts
from crash.disks import fill
from engines import settings_for, until
from outlive.engine.home import Home
from outlive.engine.server import EngineServer
from outlive.settings import Settings

DOCUMENTS = 60


@pytest.fixture
async def project_on_small_disk(
    engine, small_disk: Path, task_queue: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Project]:
    monkeypatch.setenv("TEMPORAL_ADDRESS", engine.state.address)
    settings = Settings(home=small_disk / ".outlive", task_queue=task_queue, model_attempts=2, drain_timeout=2.0)
    async with project_in(settings, monkeypatch.setenv, latency=0.05) as project:
        yield project


async def test_a_full_disk_under_the_ledger_stops_new_calls_and_loses_no_answer(
    project_on_small_disk: Project, small_disk: Path, batch_id: str
):
    project = project_on_small_disk
    handle = await project.begin([f"{text} {'x' * 20_000}" for text in texts(DOCUMENTS)], batch_id)
    project.start_worker()
    await until(lambda: project.model.counts.completed >= 8, "eight answers")
    fill(small_disk / "ballast")
    project.model.hold()
    calls_when_full = await settled(project)
    project.model.release()
    after = await settled(project)
    (small_disk / "ballast").unlink()
    ended = await project.ended(handle)

    assert calls_when_full < DOCUMENTS
    assert after - calls_when_full <= 8
    assert ended.progress.done == DOCUMENTS
    assert project.model.counts.calls == DOCUMENTS
    assert is_intact(project.ledger_path)


@pytest.mark.embedded
async def test_a_full_disk_under_engine_and_ledger_loses_nothing(
    small_disk: Path, task_queue: str, monkeypatch: pytest.MonkeyPatch, batch_id: str
):
    settings = settings_for(small_disk / ".outlive", task_queue=task_queue, drain_timeout=2.0, model_attempts=2)
    home = Home(settings.home)
    async with (
        home.own(),
        EngineServer(home, settings),
        project_in(settings, monkeypatch.setenv, latency=0.1) as project,
    ):
        handle = await project.begin(texts(DOCUMENTS), batch_id, windows={"window_size": 5})
        project.start_worker()
        await until(lambda: project.model.counts.completed >= 8, "eight answers")
        fill(small_disk / "ballast")
        calls_while_full = await settled(project)
        (small_disk / "ballast").unlink()
        ended = await project.ended(handle)

    assert calls_while_full < DOCUMENTS, "the disk was full too late to be noticed"
    assert ended.progress.done == DOCUMENTS
    assert project.model.counts.calls <= DOCUMENTS + ended.progress.begun_again
    assert ended.progress.begun_again <= 2 * 8  # what was in flight, where the engine died of it and gave windows up
    assert is_intact(project.ledger_path)
    assert is_intact(home.engine_db)


async def settled(project: Project) -> int:
    """Wait until no further call has arrived for a while; how many there are."""
    seen = [project.model.counts.calls]

    def is_quiet() -> bool:
        seen.append(project.model.counts.calls)
        return len(seen) > 20 and len(set(seen[-20:])) == 1

    await until(is_quiet, "no further calls")
    return seen[-1]

"""The disk under engine and ledger full in the middle of a batch: nothing is paid for that cannot be recorded."""

from pathlib import Path

import pytest

from crash.batch.projects import is_intact, project_in, texts
from crash.disks import fill
from engines import settings_for, until
from outlive.engine.home import Home
from outlive.engine.server import EngineServer

DOCUMENTS = 60
IN_FLIGHT = 4


async def test_a_batch_waits_for_room_pays_for_nothing_it_cannot_record_and_goes_on(
    small_disk: Path, task_queue: str, batch_id: str, monkeypatch: pytest.MonkeyPatch
):
    settings = settings_for(small_disk / ".outlive", task_queue=task_queue, drain_timeout=2.0)
    home, ballast = Home(settings.home), small_disk / "ballast"
    logs = settings_for(small_disk.parent / "elsewhere", task_queue=task_queue).home
    async with project_in(settings, monkeypatch.setenv, latency=0.05) as project:
        project.log_folder = logs.parent
        async with home.own(), EngineServer(home, settings):
            handle = await project.begin(texts(DOCUMENTS), batch_id, concurrency=IN_FLIGHT, windows={"window_size": 30})
            worker = project.start_worker()
            await until(lambda: project.model.counts.completed >= 10, "ten answers")
            fill(ballast)
            seen = -1

            def has_come_to_rest() -> bool:
                nonlocal seen
                before, seen = seen, project.model.counts.calls
                return before == seen and project.model.waiting == 0

            await until(has_come_to_rest, "no further call is made")
            calls_while_full = project.model.counts.calls
            ballast.unlink()
            ended = await project.ended(handle, deadline=120.0)
            await worker.terminate()

    assert calls_while_full < DOCUMENTS, "the disk was full too late to be noticed"
    assert ended.progress.done == DOCUMENTS
    assert project.model.counts.calls == DOCUMENTS + ended.progress.begun_again
    assert ended.progress.begun_again <= 2 * IN_FLIGHT
    assert is_intact(project.ledger_path)

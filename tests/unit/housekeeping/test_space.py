"""Files that become smaller, and those that do not."""

import sqlite3
from contextlib import closing
from pathlib import Path

from outlive.housekeeping.space import LEAST_GIVEN_BACK, file_space, give_back
from outlive.ledger.database import open_database

MEGABYTES = 24


def filled_and_emptied(path: Path) -> int:
    """Write megabytes into a file and take them out again; return how large it was."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE much (number INTEGER PRIMARY KEY, content BLOB)")
        db.executemany("INSERT INTO much (content) VALUES (zeroblob(1000000))", [()] * MEGABYTES)
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        size = path.stat().st_size
        db.execute("DELETE FROM much")
        db.commit()
    return size


async def test_a_file_of_ours_gives_back_what_was_removed_while_others_have_it_open(tmp_path):
    path = tmp_path / "ledger.db"
    engine = open_database(path)
    with engine.connect() as reader:
        large = filled_and_emptied(path)
        before = file_space(path)
        await give_back([path, tmp_path / "never-made.db"])
        after = file_space(path)
        assert reader.exec_driver_sql("PRAGMA integrity_check").scalar() == "ok"
    engine.dispose()

    assert large > MEGABYTES * 1_000_000
    assert before.free > MEGABYTES * 1_000_000
    assert (before.can_shrink, after.can_shrink) == (True, True)
    assert after.free <= LEAST_GIVEN_BACK
    assert path.stat().st_size < large / 2
    assert not (tmp_path / "never-made.db").exists()


async def test_a_file_that_was_not_prepared_for_it_stays_as_it_is_and_says_so(tmp_path):
    path = tmp_path / "old.db"
    large = filled_and_emptied(path)

    await give_back([path])

    assert path.stat().st_size == large
    assert file_space(path).can_shrink is False
    assert file_space(path).free > MEGABYTES * 1_000_000


async def test_little_free_room_is_left_for_what_is_written_next(tmp_path):
    path = tmp_path / "ledger.db"
    open_database(path).dispose()
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE some (content BLOB)")
        db.execute("INSERT INTO some VALUES (zeroblob(1000000))")
        db.execute("DELETE FROM some")
        db.commit()
    before = file_space(path)

    await give_back([path])

    assert before.free > 900_000
    assert file_space(path).free == before.free

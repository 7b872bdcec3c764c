"""The room that SQLite files take on disk, and giving back what is free in them."""

import asyncio
import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from outlive.engine.home import Home

LEAST_GIVEN_BACK = 10_000_000  # bytes: less is used again by what comes
LEAST_SHARE = 0.2  # of the file: moving its end forward costs as much as is moved
PAGES_AT_ONCE = 500  # 2 MB: writers wait for it some milliseconds
PAUSE_SECONDS = 0.02  # between two of them, for the writers
BUSY_TIMEOUT = 30.0  # seconds
_INCREMENTAL = 2  # what SQLite calls a file that can give pages back bit by bit


@dataclass(frozen=True, kw_only=True)
class FileSpace:
    """A SQLite file on disk.

    Attributes:
        size: Bytes of the file, and of what was written and is not in it yet.
        free: Bytes in it that nothing uses: what is written next takes them.
        can_shrink: Whether free bytes are given back to the disk. False for the engine's file, and for one that was
            made by an Outlive that did not prepare it.
    """

    size: int
    free: int
    can_shrink: bool


def file_spaces(home: Home) -> dict[str, FileSpace]:
    """Look at the databases of a state folder, by file name; those that are not there are left out."""
    paths = (home.engine_db, home.ledger_db, home.payloads_db, home.streams_db)
    return {path.name: file_space(path) for path in paths if path.exists()}


def file_space(path: Path) -> FileSpace:
    """Look at a file; what cannot be read of it counts as none."""
    size = sum(_size(path.with_name(path.name + suffix)) for suffix in ("", "-wal"))
    try:
        with closing(_opened(path)) as db:
            return FileSpace(size=size, free=_free(db), can_shrink=_pragma(db, "auto_vacuum") == _INCREMENTAL)
    except sqlite3.Error:  # its owner is at it; the next look tells
        return FileSpace(size=size, free=0, can_shrink=False)


async def give_back(paths: Iterable[Path]) -> None:
    """Make files smaller that have much free room, and that can: bit by bit, so that nobody waits long for it.

    The file is as large as before until SQLite next moves its log into it, which any writer brings about.
    """
    for path in paths:
        has_more = path.exists()
        while has_more:
            has_more = await asyncio.to_thread(_give_some_back, path)
            await asyncio.sleep(PAUSE_SECONDS)


def _give_some_back(path: Path) -> bool:
    """Return whether there may be more to give back."""
    try:
        with closing(_opened(path)) as db:
            if _pragma(db, "auto_vacuum") != _INCREMENTAL:
                return False
            if _free(db) < max(LEAST_GIVEN_BACK, LEAST_SHARE * _pragma(db, "page_count") * _pragma(db, "page_size")):
                db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
                return False
            db.execute(f"PRAGMA incremental_vacuum({PAGES_AT_ONCE})").fetchall()  # each row of it frees a page
    except sqlite3.Error:  # somebody writes for long; the next round goes on
        return False
    return True


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:  # it is not there, or just being removed
        return 0


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=BUSY_TIMEOUT, isolation_level=None)


def _free(db: sqlite3.Connection) -> int:
    return _pragma(db, "freelist_count") * _pragma(db, "page_size")


def _pragma(db: sqlite3.Connection, name: str) -> int:
    return int(db.execute(f"PRAGMA {name}").fetchone()[0])

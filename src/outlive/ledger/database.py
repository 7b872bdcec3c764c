"""SQLite files of a project, the ledger first of all: opening them, their pragmas, their schema version."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Literal

from sqlalchemy import Connection, Engine, MetaData, create_engine, event
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import QueuePool

from outlive.errors import LedgerError
from outlive.ledger.schema import SCHEMA_VERSION, metadata
from outlive.ledger.tables import Wanted, bring_up_to_date, is_up_to_date

LARGEST_IDLE_WAL = 64_000_000  # bytes that the write-ahead log keeps once its contents are in the file
BUSY_TIMEOUT_SECONDS = 30.0
"""How long a writer waits for another process's commit; commits take milliseconds."""


def open_database(path: Path) -> Engine:
    """Open the ledger file, and create it where it does not exist.

    Every commit is synced to disk (WAL, ``synchronous=FULL``): what the ledger has accepted outlives a power cut.

    Raises:
        LedgerError: If the file is not a ledger, is damaged, or was written by a newer Outlive.
    """
    return open_sqlite(path, metadata, version=SCHEMA_VERSION)


def open_sqlite(
    path: Path,
    tables: MetaData,
    *,
    version: int,
    synchronous: Literal["FULL", "NORMAL"] = "FULL",
    called: str = "ledger",
) -> Engine:
    """Open a SQLite file in WAL mode, and create it (mode 0600) with its tables where it does not exist.

    Tables, columns and indexes that an older Outlive did not know are added.

    A transaction of ``engine.execution_options(outlive_writes=True)`` takes the write lock as it begins.

    Args:
        tables: What the file holds, besides the table ``meta`` with its schema version, which comes by itself.
        version: Schema version of ``tables``; a file with a newer one is refused.
        synchronous: ``FULL`` syncs every commit. ``NORMAL`` loses nothing to a kill -9, but may lose the last commits
            to a power cut.
        called: What messages call the file.

    Raises:
        LedgerError: If the file is something else, is damaged, or was written by a newer Outlive.
    """
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", partial(_set_pragmas, synchronous))
    event.listen(engine, "begin", _begin)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(mode=0o600)
        with _alone(path.parent):
            _prepare_schema(engine, Wanted(tables=tables, version=version, called=called))
    except (DatabaseError, OSError) as error:
        engine.dispose()
        reason = error.orig if isinstance(error, DatabaseError) else error.strerror
        raise LedgerError(f"The {called} {str(path)!r} cannot be opened: {reason}.") from error
    except LedgerError:
        engine.dispose()
        raise
    return engine


def _set_pragmas(synchronous: str, connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event opens the transactions
    cursor = connection.cursor()
    if not cursor.execute("PRAGMA page_count").fetchone()[0]:
        cursor.execute("PRAGMA auto_vacuum=INCREMENTAL")  # heeded while the file is empty; then it can become smaller
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute(f"PRAGMA synchronous={synchronous}")
    cursor.execute("PRAGMA temp_store=MEMORY")
    cursor.execute(f"PRAGMA journal_size_limit={LARGEST_IDLE_WAL}")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("outlive_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time open a file: SQLite's own locks fail at once while a file becomes a WAL one."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _prepare_schema(engine: Engine, wanted: Wanted) -> None:
    with engine.begin() as connection:
        if is_up_to_date(connection, wanted):
            return
    with engine.execution_options(outlive_writes=True).begin() as connection:
        bring_up_to_date(connection, wanted)

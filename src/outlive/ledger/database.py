"""The ledger's database: opening it, its pragmas, its schema version."""

import contextlib
import fcntl
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Connection, Engine, create_engine, event, insert, inspect, select
from sqlalchemy.exc import DatabaseError
from sqlalchemy.pool import QueuePool

from outlive.errors import LedgerError
from outlive.ledger.schema import SCHEMA_VERSION, meta, metadata

LARGEST_IDLE_WAL = 64_000_000  # bytes that the write-ahead log keeps once its contents are in the file
BUSY_TIMEOUT_SECONDS = 30.0
"""How long a writer waits for another process's commit; commits take milliseconds."""


def open_database(path: Path) -> Engine:
    """Open the ledger file, and create it where it does not exist.

    Every commit is synced to disk (WAL, ``synchronous=FULL``): what the ledger has accepted outlives a power cut.

    Raises:
        LedgerError: If the file is not a ledger, is damaged, or was written by a newer Outlive.
    """
    engine = create_engine(
        f"sqlite:///{path}",
        poolclass=QueuePool,
        connect_args={"timeout": BUSY_TIMEOUT_SECONDS, "check_same_thread": False},
    )
    event.listen(engine, "connect", _set_pragmas)
    event.listen(engine, "begin", _begin)
    try:
        with _alone(path.parent):
            _prepare_schema(engine)
    except DatabaseError as error:
        engine.dispose()
        raise LedgerError(f"The ledger {str(path)!r} cannot be opened: {error.orig}.") from error
    except LedgerError:
        engine.dispose()
        raise
    return engine


def _set_pragmas(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy's begin event opens the transactions
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA temp_store=MEMORY")
    cursor.execute(f"PRAGMA journal_size_limit={LARGEST_IDLE_WAL}")
    cursor.close()


def _begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("outlive_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Let one process at a time open the ledger: SQLite's own locks fail at once while a file becomes a WAL one."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _prepare_schema(engine: Engine) -> None:
    with engine.begin() as connection:
        is_complete = set(metadata.tables) <= set(inspect(connection).get_table_names())
        if is_complete and _version(connection) is not None:
            return
    with engine.execution_options(outlive_writes=True).begin() as connection:
        metadata.create_all(connection)
        if _version(connection) is None:
            connection.execute(insert(meta).values(name="schema_version", value=str(SCHEMA_VERSION)))


def _version(connection: Connection) -> int | None:
    found = connection.execute(select(meta.c.value).where(meta.c.name == "schema_version")).scalar()
    if found is not None and int(found) > SCHEMA_VERSION:
        raise LedgerError(
            f"The ledger was written by a newer Outlive (schema {found}, this one knows {SCHEMA_VERSION}). "
            "Upgrade Outlive to read it."
        )
    return None if found is None else int(found)

"""The tables of the event log, and how it is opened: a SQLite file, or the PostgreSQL database that has the ledger.

The file is written with ``synchronous=NORMAL``: what was committed outlives a kill -9 of any process. A power cut may
take the last moments of a stream with it. That is meant: results, effects and money rest elsewhere (history, ledger),
and a sync for every handful of tokens would wear the disk for nothing. PostgreSQL syncs each commit: without, the death
of its process would take back events that readers have seen, and give their offsets to others.
"""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Boolean, Column, Engine, Float, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

from outlive.encryption.columns import Sealed, use_keys
from outlive.encryption.keyring import Keyring
from outlive.ledger.database import open_sqlite
from outlive.ledger.postgres import open_postgres, shown
from outlive.ledger.tables import Wanted
from outlive.settings import Settings

SCHEMA_VERSION = 1
VARIABLES_PER_QUERY = 500  # SQLite takes 32,766 of them

metadata = MetaData()

streams = Table(
    "streams",
    metadata,
    Column("number", Integer, primary_key=True),  # short key of the events
    Column("name", Text, nullable=False),  # workflow id of the run
    Column("next_offset", Integer, nullable=False),
    Column("last_at", Float, nullable=False),  # when its last event happened, seconds since the epoch
    Column("ended", Boolean, nullable=False),  # whether that event is the end of the run
    UniqueConstraint("name"),
)

events = Table(
    "events",
    metadata,
    Column("stream", Integer, primary_key=True, autoincrement=False),
    Column("offset", Integer, primary_key=True, autoincrement=False),
    Column("at", Float, nullable=False),
    Column("kind", String(32), nullable=False),
    Column("call", Text),
    Column("attempt", Integer, nullable=False),
    Column("data", Sealed("events.data"), nullable=False),  # a JSON object
    Column("note_id", Text),  # written once per stream
    sqlite_with_rowid=False,
)

Index(
    "events_by_note",
    events.c.stream,
    events.c.note_id,
    unique=True,
    sqlite_where=events.c.note_id.isnot(None),
    postgresql_where=events.c.note_id.isnot(None),
)


def streams_of(settings: Settings) -> Path | str:
    """Return where the event log of a project is: with its ledger on PostgreSQL, else in the state folder."""
    return settings.ledger or settings.home.resolve() / "streams.db"


def name_of(where: Path | str) -> str:
    """Return what messages call an event log: its path, or its URL without the password."""
    return str(where) if isinstance(where, Path) else shown(where)


def wanted_streams() -> Wanted:
    """Return what the database of an event log has to hold."""
    return Wanted(tables=metadata, version=SCHEMA_VERSION, called="event log", version_name="streams_version")


def open_streams(where: Path | str, keys: Keyring | None = None) -> Engine:
    """Open the event log, and create it where it does not exist.

    Args:
        keys: What events are encrypted under; None where they are not.

    Raises:
        LedgerError: If the file is something else or damaged, if the server refuses, or if the log was written by a
            newer Outlive.
    """
    if isinstance(where, Path):
        engine = open_sqlite(where, metadata, version=SCHEMA_VERSION, synchronous="NORMAL", called="event log")
    else:
        engine = open_postgres(where, wanted_streams())
    use_keys(engine, keys)
    return engine


def in_chunks(values: list[str]) -> Iterator[list[str]]:
    """Yield values in lists that one query takes."""
    for start in range(0, len(values), VARIABLES_PER_QUERY):
        yield values[start : start + VARIABLES_PER_QUERY]

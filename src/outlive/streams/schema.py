"""The tables of the event log, and how its file is opened.

The file is written with ``synchronous=NORMAL``: what was committed outlives a kill -9 of any process. A power cut may
take the last moments of a stream with it. That is meant: results, effects and money rest elsewhere (history, ledger),
and a sync for every handful of tokens would wear the disk for nothing.
"""

from collections.abc import Iterator
from pathlib import Path

from sqlalchemy import Boolean, Column, Engine, Float, Index, Integer, MetaData, String, Table, Text, UniqueConstraint

from outlive.encryption.columns import Sealed, use_keys
from outlive.encryption.keyring import Keyring
from outlive.ledger.database import open_sqlite

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

Index("events_by_note", events.c.stream, events.c.note_id, unique=True, sqlite_where=events.c.note_id.isnot(None))


def open_streams(path: Path, keys: Keyring | None = None) -> Engine:
    """Open the event log, and create it where it does not exist.

    Args:
        keys: What events are encrypted under; None where they are not.

    Raises:
        LedgerError: If the file is something else, is damaged, or was written by a newer Outlive.
    """
    engine = open_sqlite(path, metadata, version=SCHEMA_VERSION, synchronous="NORMAL", called="event log")
    use_keys(engine, keys)
    return engine


def in_chunks(values: list[str]) -> Iterator[list[str]]:
    """Yield values in lists that one query takes."""
    for start in range(0, len(values), VARIABLES_PER_QUERY):
        yield values[start : start + VARIABLES_PER_QUERY]

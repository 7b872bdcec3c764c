"""Letting time pass for a payload store."""

from datetime import datetime
from pathlib import Path

from outlive.ledger.database import open_sqlite
from outlive.payloads import sqlite


def age(path: Path, when: datetime) -> None:
    """Let all chunks of a file be last used at a time."""
    engine = open_sqlite(path, sqlite.metadata, version=1)
    with engine.begin() as connection:
        connection.execute(sqlite.chunks.update().values(used_at=int(when.timestamp())))
    engine.dispose()

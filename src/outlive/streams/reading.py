"""Reads of the event log, and what is removed from it. Synchronous: callers on an event loop go through `StreamLog`."""

import json
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, Row, delete, select

from outlive.contracts.events import RunEvent
from outlive.streams.following import Sight
from outlive.streams.schema import events, in_chunks, streams

STREAMS_PER_TRANSACTION = 20  # writers wait meanwhile: some milliseconds


@dataclass(frozen=True, kw_only=True)
class Page:
    """Some events of a stream, and where the stream stood as they were read.

    Attributes:
        next_offset: The offset that its next event will have; 0 where it has no events.
        has_ended: Whether its last event is the end of the run.
    """

    events: list[RunEvent]
    next_offset: int = 0
    has_ended: bool = False


def read_page(engine: Engine, stream: str, first: int, limit: int) -> Page:
    """Return up to ``limit`` events of a stream from an offset on."""
    with engine.begin() as connection:
        found = connection.execute(select(streams).where(streams.c.name == stream)).first()
        if found is None:
            return Page(events=[])
        query = select(events).where(events.c.stream == found.number, events.c.offset >= first)
        rows = connection.execute(query.order_by(events.c.offset).limit(limit))
        return Page(events=[_event(stream, row) for row in rows], next_offset=found.next_offset, has_ended=found.ended)


def next_offsets(connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """Return the offset that the next event of each stream will have; a stream without events is left out."""
    found: dict[str, int] = {}
    for some in in_chunks(list(names)):
        query = select(streams.c.name, streams.c.next_offset).where(streams.c.name.in_(some))
        found.update((row.name, row.next_offset) for row in connection.execute(query))
    return found


class CommitWatch:
    """Tells, over a connection of its own to a SQLite file, whether anybody has committed since a look."""

    def __init__(self, engine: Engine) -> None:
        self._connection = engine.connect()
        self._lock = threading.Lock()  # a look that nobody waits for any more may still be going on

    def look(self, names: frozenset[str], last: Sight | None) -> Sight | None:
        """Return what is to be seen of streams.

        None where nothing was committed since the last look, and that look was at these streams too. Who looks keeps
        what was seen: a look whose answer nobody took must not hide a commit from the next.
        """
        with self._lock, self._connection.begin():
            version = self._connection.exec_driver_sql("PRAGMA data_version").scalar_one()
            if last is not None and version == last.version and names <= last.names:
                return None
            return Sight(offsets=next_offsets(self._connection, names), names=names, version=version)

    def close(self) -> None:
        """Give the connection back."""
        with self._lock:
            self._connection.close()


def last_events(engine: Engine) -> dict[str, float]:
    """Return when the last event of each stream happened, in seconds since the epoch."""
    with engine.connect() as connection:
        return {row.name: row.last_at for row in connection.execute(select(streams.c.name, streams.c.last_at))}


def prune(engine: Engine, names: Sequence[str], before: float) -> int:
    """Remove those of the streams whose last event is older than a time; returns how many."""
    removed = 0
    for start in range(0, len(names), STREAMS_PER_TRANSACTION):
        some = names[start : start + STREAMS_PER_TRANSACTION]
        with engine.execution_options(outlive_writes=True).begin() as connection:
            query = select(streams.c.number).where(streams.c.name.in_(some), streams.c.last_at < before)
            numbers = list(connection.execute(query.order_by(streams.c.name).with_for_update()).scalars())
            connection.execute(delete(events).where(events.c.stream.in_(numbers)))
            connection.execute(delete(streams).where(streams.c.number.in_(numbers)))
        removed += len(numbers)
    return removed


def _event(stream: str, row: Row[tuple[object, ...]]) -> RunEvent:
    return RunEvent(
        stream=stream,
        offset=row.offset,
        at=row.at,
        kind=row.kind,
        call=row.call,
        attempt=row.attempt,
        data=json.loads(row.data),
    )

"""One transaction of the event log: offsets are given out as the rows are written."""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, Engine, bindparam, insert, select, update

from outlive.streams.pending import PendingEvent
from outlive.streams.schema import events, in_chunks, streams


@dataclass(kw_only=True)
class _Place:
    """Where a stream stands within the open transaction."""

    number: int
    next_offset: int
    last_at: float
    ended: bool


def store(engine: Engine, pending: Sequence[PendingEvent]) -> int:
    """Write events in their order, each at the next offset of its stream, all or none; returns how many rows.

    The write lock is held from the first look at the offsets to the commit: whichever process commits first has the
    lower offsets, and no offset is left out.
    """
    with engine.execution_options(outlive_writes=True).begin() as connection:
        places = _places(connection, {item.stream for item in pending}, pending[0].at)
        known = _known_notes(connection, places, pending)
        rows = []
        for item in pending:
            if item.note_id is not None:
                if (item.stream, item.note_id) in known:
                    continue
                known.add((item.stream, item.note_id))
            rows.append(_row(item, places[item.stream]))
        if rows:
            connection.execute(insert(events), rows)
            connection.execute(
                update(streams)
                .where(streams.c.number == bindparam("key"))
                .values(next_offset=bindparam("next"), last_at=bindparam("at"), ended=bindparam("end")),
                [
                    {"key": place.number, "next": place.next_offset, "at": place.last_at, "end": place.ended}
                    for place in places.values()
                ],
            )
    return len(rows)


def _row(item: PendingEvent, place: _Place) -> dict[str, object]:
    """Return the row of an event, and move its stream on."""
    row = {
        "stream": place.number,
        "offset": place.next_offset,
        "at": item.at,
        "kind": item.kind,
        "call": item.call,
        "attempt": item.attempt,
        "data": item.encoded(),
        "note_id": item.note_id,
    }
    place.next_offset += 1
    place.last_at = max(place.last_at, item.at)
    place.ended = item.is_ending
    return row


def _places(connection: Connection, names: set[str], at: float) -> dict[str, _Place]:
    found: dict[str, _Place] = {}
    for some in in_chunks(sorted(names)):
        for row in connection.execute(select(streams).where(streams.c.name.in_(some))):
            found[row.name] = _Place(
                number=row.number, next_offset=row.next_offset, last_at=row.last_at, ended=row.ended
            )
    for name in sorted(names - found.keys()):
        new = connection.execute(insert(streams).values(name=name, next_offset=0, last_at=at, ended=False))
        assert new.inserted_primary_key is not None
        found[name] = _Place(number=new.inserted_primary_key[0], next_offset=0, last_at=at, ended=False)
    return found


def _known_notes(
    connection: Connection, places: dict[str, _Place], pending: Sequence[PendingEvent]
) -> set[tuple[str, str]]:
    """Return those of the notes to be written that their streams hold already, as pairs of stream and note id."""
    names = {place.number: name for name, place in places.items()}
    asked = {item.note_id for item in pending if item.note_id is not None}
    numbers = {places[item.stream].number for item in pending if item.note_id is not None}
    found: set[tuple[str, str]] = set()
    for some in in_chunks(sorted(asked)):
        query = select(events.c.stream, events.c.note_id).where(
            events.c.stream.in_(numbers), events.c.note_id.in_(some), events.c.note_id.isnot(None)
        )
        found.update((names[row.stream], row.note_id) for row in connection.execute(query))
    return found

"""What the ledger keeps of runs, and the removal of what nobody needs any more."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Engine, Table, and_, delete, func, literal, or_, select, tuple_

from outlive.ledger.dialects import insert_into
from outlive.ledger.outages import Again, repeatable
from outlive.ledger.outbox_schema import subscriptions
from outlive.ledger.schema import answers, budget_waits, effects, hand_offs, namespaces, reservations

RUNS_PER_STATEMENT = 20
ROWS_PER_TRANSACTION = 500  # writers wait meanwhile: some milliseconds
ROWS_PER_READ = 500
PAYLOAD_COLUMNS = {effects: ("arguments", "result"), hand_offs: ("about", "value")}
"""Where the ledger holds payloads, which may refer to large ones."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """How many rows there are, or were removed: of calls, and of answers of turns."""

    calls: int = 0
    answers: int = 0


class Retention:
    """Reads and removals, to be run through `Ledger.call`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(outlive_writes=True)

    @repeatable(Again.ALWAYS)
    def last_uses(self) -> dict[str, float]:
        """Return when each run of which there is a row wrote its last one, in seconds since the epoch."""
        found: dict[str, float] = {}
        with self._engine.connect() as connection:
            for table, moment in _TABLES.items():
                query = select(table.c.workflow_id, func.max(moment)).group_by(table.c.workflow_id)
                for workflow_id, last in connection.execute(query):
                    found[workflow_id] = max(last, found.get(workflow_id, last))
        return found

    @repeatable(Again.ALWAYS)
    def count(self, workflow_ids: Sequence[str], before: float) -> Kept:
        """Return how many rows `remove` would remove."""
        counts = dict.fromkeys(_TABLES, 0)
        with self._engine.connect() as connection:
            for some in _some(workflow_ids):
                for table, moment in _TABLES.items():
                    query = select(func.count()).where(table.c.workflow_id.in_(some), moment < before)
                    counts[table] += connection.execute(query).scalar_one()
        return Kept(calls=counts[effects], answers=counts[answers])

    def remove(self, workflow_ids: Sequence[str], before: float) -> Kept:
        """Remove the rows of runs that are older than a time, in seconds since the epoch.

        Broken off, it has removed some of them; calling it again removes the rest.
        """
        counts = dict.fromkeys(_TABLES, 0)
        for some in _some(workflow_ids):
            for table, moment in _TABLES.items():
                old = and_(table.c.workflow_id.in_(some), moment < before)
                while removed := self._remove_some(table, old):
                    counts[table] += removed
        return Kept(calls=counts[effects], answers=counts[answers])

    @repeatable(Again.ALWAYS)
    def payloads(self, table: Table, after: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], str, list[bytes]]]:
        """Return up to `ROWS_PER_READ` rows that hold payloads: key, workflow id, payloads as serialised.

        Args:
            table: One of `PAYLOAD_COLUMNS`.
            after: The last key of the page before; empty begins.
        """
        columns = [table.c[name] for name in PAYLOAD_COLUMNS[table]]
        keys = list(table.primary_key.columns)
        query = select(*keys, table.c.workflow_id.label("run"), *columns).order_by(*keys)
        query = query.where(or_(*(column.isnot(None) for column in columns)))
        if after:
            query = query.where(tuple_(*keys) > tuple_(*map(literal, after)))
        with self._engine.connect() as connection:
            rows = connection.execute(query.limit(ROWS_PER_READ)).all()
        width = len(keys)
        return [
            (tuple(row[:width]), row[width], [held for held in row[width + 1 :] if held is not None]) for row in rows
        ]

    @repeatable(Again.ALWAYS)
    def note_namespace(self, namespace_id: str, place: str) -> None:
        """Remember that runs of a namespace are recorded here; noting it again changes nothing.

        Args:
            place: What a person calls it.
        """
        noted = insert_into(self._engine, namespaces).values(
            namespace_id=namespace_id, place=place, noted_at=time.time()
        )
        with self._writing.begin() as connection:
            connection.execute(noted.on_conflict_do_nothing())

    @repeatable(Again.ALWAYS)
    def namespaces(self) -> Mapping[str, str]:
        """Return the namespaces that were noted: what a person calls each, by its id, the earliest first."""
        query = select(namespaces.c.namespace_id, namespaces.c.place).order_by(namespaces.c.noted_at)
        with self._engine.connect() as connection:
            return {row.namespace_id: row.place for row in connection.execute(query)}

    def forget_other_namespaces(self, namespace_id: str) -> None:
        """Remember one namespace alone."""
        with self._writing.begin() as connection:
            connection.execute(delete(namespaces).where(namespaces.c.namespace_id != namespace_id))

    def _remove_some(self, table: Table, old: ColumnElement[bool]) -> int:
        key = tuple_(*table.primary_key.columns)
        with self._writing.begin() as connection:
            some = connection.execute(select(*table.primary_key.columns).where(old).limit(ROWS_PER_TRANSACTION)).all()
            if some:
                connection.execute(delete(table).where(key.in_([tuple(row) for row in some])))
        return len(some)


_TABLES = {
    effects: func.coalesce(effects.c.ended_at, effects.c.begun_at),
    answers: answers.c.recorded_at,
    reservations: reservations.c.begun_at,  # what they came to, or may have, is in the sums of their budgets
    budget_waits: budget_waits.c.since,
    hand_offs: func.coalesce(hand_offs.c.decided_at, hand_offs.c.opened_at),
    subscriptions: func.coalesce(subscriptions.c.ended_at, subscriptions.c.since),
}
"""Which rows belong to runs, and when each was written. What is to be delivered of them has a time of its own."""


def _some(workflow_ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(workflow_ids), RUNS_PER_STATEMENT):
        yield workflow_ids[start : start + RUNS_PER_STATEMENT]

"""What was told and what is still to be, as people look at it: listed, shown, sent again, removed."""

import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine, Select, and_, delete, func, select, update

from outlive.contracts.notifications import Target, read
from outlive.ledger.outages import Again, repeatable
from outlive.ledger.outbox import DeliveryState
from outlive.ledger.outbox_schema import deliveries, subscriptions, targets

ROWS_PER_TRANSACTION = 500  # writers wait meanwhile: some milliseconds


@dataclass(frozen=True, kw_only=True)
class DeliveryRecord:
    """A delivery as the ledger has it. Moments are seconds since the epoch.

    Attributes:
        number: What commands name it by.
        occurrence: A `contracts.notifications.Occurrence`.
        state: A `ledger.outbox.DeliveryState`.
        next_at: Before that it is not tried again.
        error: Of the last attempt.
        ended_at: When it was delivered, or parked.
    """

    number: int
    event_id: str
    workflow_id: str
    occurrence: str
    target: Target
    body: str = field(repr=False)
    state: str
    attempts: int
    next_at: float
    error: str | None
    created_at: float
    ended_at: float | None


class Deliveries:
    """Reads and writes, to be run through `Ledger.call`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(outlive_writes=True)

    @repeatable(Again.ALWAYS)
    def listed(
        self, *, states: Iterable[str] = (), workflow_id: str | None = None, limit: int = 100
    ) -> list[DeliveryRecord]:
        """Return deliveries, the latest first.

        Args:
            states: Of `DeliveryState`; all, where none is given.
        """
        query = _records().order_by(deliveries.c.number.desc()).limit(limit)
        if wanted := list(states):
            query = query.where(deliveries.c.state.in_(wanted))
        if workflow_id is not None:
            query = query.where(deliveries.c.workflow_id == workflow_id)
        with self._engine.begin() as connection:
            return _read(connection, query)

    @repeatable(Again.ALWAYS)
    def find(self, number: int) -> DeliveryRecord | None:
        """Return a delivery, or None."""
        with self._engine.begin() as connection:
            return next(iter(_read(connection, _records().where(deliveries.c.number == number))), None)

    @repeatable(Again.ALWAYS)
    def counts(self) -> dict[str, int]:
        """Return how many deliveries there are, by state."""
        query = select(deliveries.c.state, func.count()).group_by(deliveries.c.state)
        with self._engine.begin() as connection:
            return {row.state: row[1] for row in connection.execute(query)}

    @repeatable(Again.ALWAYS)
    def late(self, before: float) -> int:
        """Return how many that wait were recorded before a moment."""
        query = select(func.count()).where(
            deliveries.c.state == DeliveryState.WAITING, deliveries.c.created_at < before
        )
        with self._engine.begin() as connection:
            return connection.execute(query).scalar_one()

    @repeatable(Again.ALWAYS)
    def redeliver(self, numbers: Iterable[int] | None, *, lasts: float) -> int:
        """Send deliveries again, under the ids that they had: at once, and for as long as new ones.

        Args:
            numbers: Which, whatever came of them; None for all that are parked.
            lasts: Seconds for which they are tried.

        Returns:
            How many.
        """
        now = time.time()
        chosen = deliveries.c.state == DeliveryState.PARKED if numbers is None else deliveries.c.number.in_(numbers)
        values = {"state": DeliveryState.WAITING, "next_at": now, "given_up_at": now + lasts, "ended_at": None}
        with self._writing.begin() as connection:
            return connection.execute(update(deliveries).where(chosen).values(lease_until=0.0, **values)).rowcount

    def remove(self, before: float) -> int:
        """Remove what has ended before a moment, and who was told of what; what waits stays.

        Broken off, it has removed some; calling it again removes the rest.
        """
        old = and_(deliveries.c.state != DeliveryState.WAITING, deliveries.c.ended_at < before)
        removed = 0
        while some := self._remove_some(select(deliveries.c.number).where(old).limit(ROWS_PER_TRANSACTION)):
            removed += some
        with self._writing.begin() as connection:
            connection.execute(delete(subscriptions).where(subscriptions.c.ended_at < before))
        return removed

    def _remove_some(self, query: Select[tuple[int]]) -> int:
        with self._writing.begin() as connection:
            numbers = connection.execute(query).scalars().all()
            if numbers:
                connection.execute(delete(deliveries).where(deliveries.c.number.in_(numbers)))
        return len(numbers)


def _records() -> Select[tuple[object, ...]]:
    names = [name for name in DeliveryRecord.__dataclass_fields__ if name != "target"]
    columns = [deliveries.c[name] for name in names]
    return select(*columns, targets.c.target).join(targets, targets.c.target_id == deliveries.c.target_id)


def _read(connection: Connection, query: Select[tuple[object, ...]]) -> list[DeliveryRecord]:
    rows = connection.execute(query).mappings()
    return [DeliveryRecord(**{**row, "target": read(row["target"])}) for row in rows]

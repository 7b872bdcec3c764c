"""The outbox: events that are still to be told, and who is told. Receivers are spoken to by `outlive.notify`."""

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, and_, func, literal, or_, select, update

from outlive.contracts.notifications import Occurrence, Target, read, target_id, wants, written
from outlive.ledger.dialects import insert_into
from outlive.ledger.outages import Again, repeatable
from outlive.ledger.outbox_schema import deliveries, subscriptions, targets, turns
from outlive.ledger.upserts import insert_missing

MOST_TARGETS = 50  # looked at in one claim
MOST_ENDS = 500  # workflow ids in one statement


class DeliveryState(StrEnum):
    """Where a delivery stands.

    Attributes:
        WAITING: It was not delivered yet.
        DELIVERED: The receiver has taken it.
        PARKED: It was given up; `outlive deliveries redeliver` sends it again.
    """

    WAITING = "waiting"
    DELIVERED = "delivered"
    PARKED = "parked"


@dataclass(frozen=True, kw_only=True)
class NewDelivery:
    """An event for the outbox.

    Attributes:
        body: The CloudEvent, JSON.
        at: Seconds since the epoch.
        lasts: Seconds for which it is tried.
    """

    event_id: str
    workflow_id: str
    occurrence: Occurrence
    body: str
    at: float
    lasts: float


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """A delivery that a worker has in hand.

    Attributes:
        attempts: Those that have failed.
        given_up_at: Seconds since the epoch.
    """

    number: int
    event_id: str
    target_id: str
    workflow_id: str
    target: Target
    body: str
    attempts: int
    given_up_at: float


@dataclass(frozen=True, kw_only=True)
class Attempted:
    """How an attempt ended.

    Attributes:
        error: What went wrong; None where it was delivered.
        next_at: When to try again, seconds since the epoch; None where it is given up.
        is_recovery: Whether its target had taken nothing for a while: whatever waits for it is due now.
    """

    delivery: Claimed
    error: str | None = None
    next_at: float | None = None
    is_recovery: bool = False


class Outbox:
    """Reads and writes of the outbox, to be run through `Ledger.call`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(outlive_writes=True)

    @repeatable(Again.ALWAYS)
    def subscribe(self, workflow_id: str, wanted: Iterable[Target], *, is_conversation: bool = False) -> None:
        """Let targets be told of a workflow from now on; doing it again changes nothing."""
        with self._writing.begin() as connection:
            _subscribe(connection, workflow_id, wanted, is_conversation=is_conversation)

    @repeatable(Again.ALWAYS)
    def told(self, workflow_ids: Sequence[str]) -> list[Target]:
        """Return who is told of any of these workflows."""
        query = (
            select(targets.c.target)
            .distinct()
            .join(subscriptions, subscriptions.c.target_id == targets.c.target_id)
            .where(subscriptions.c.workflow_id.in_(workflow_ids))
        )
        with self._engine.begin() as connection:
            return [read(text) for text in connection.execute(query).scalars()]

    @repeatable(Again.ALWAYS)
    def is_conversation(self, workflow_id: str) -> bool:
        """Return whether the answers of a workflow are told one by one."""
        query = select(func.max(subscriptions.c.is_conversation)).where(subscriptions.c.workflow_id == workflow_id)
        with self._engine.begin() as connection:
            return bool(connection.execute(query).scalar())

    @repeatable(Again.ALWAYS)
    def add(self, new: NewDelivery, wanted: Sequence[Target]) -> int:
        """Write an event down for each target that wants it; what is there already stays as it is.

        Returns:
            How many deliveries are new.
        """
        with self._writing.begin() as connection:
            self._note_course(connection, new, wanted)
            return sum(_insert(connection, new, target) for target in wanted if wants(target, new.occurrence))

    @repeatable(Again.ALWAYS)
    def claim(self, owner: str, room: Mapping[str, int], *, usual: int, most: int, lease: float) -> list[Claimed]:
        """Take deliveries in hand that are due: of each workflow and target the first one only.

        Args:
            owner: Who takes them.
            room: How many more of a target may be taken; of others, ``usual``.
            most: Of all targets.
            lease: Seconds after which others may take them.
        """
        now, found = time.time(), list[Claimed]()
        full = [target for target, places in room.items() if places <= 0]
        takeable = select(literal(1)).where(deliveries.c.target_id == targets.c.target_id, *_is_takeable(now))
        wanting = select(targets.c.target_id).where(targets.c.target_id.not_in(full), takeable.exists())
        with self._engine.connect() as connection:  # most looks find nothing, and hold up no writer
            found_for = connection.execute(wanting.limit(MOST_TARGETS)).scalars().all()
        if not found_for:
            return []
        with self._writing.begin() as connection:
            for target in found_for:
                places = min(room.get(target, usual), most - len(found))
                if places > 0:
                    found += _take(connection, target, now, places)
            if found:
                taken = deliveries.c.number.in_([one.number for one in found])
                connection.execute(update(deliveries).where(taken).values(owner=owner, lease_until=now + lease))
        return found

    @repeatable(Again.ALWAYS)
    def settle(self, owner: str, ended: Sequence[Attempted]) -> None:
        """Write down how attempts ended, unless another worker has taken the delivery meanwhile and delivered it."""
        now = time.time()
        with self._writing.begin() as connection:
            for one in ended:
                if one.error is None:
                    values: dict[str, Any] = {"state": DeliveryState.DELIVERED, "ended_at": now, "error": None}
                    connection.execute(_waiting(one.delivery.number).values(attempts=_next_attempt(), **values))
                    if one.is_recovery:
                        connection.execute(_held_back(one.delivery.target_id, now).values(next_at=now))
                else:
                    _fail(connection, owner, one, now)

    @repeatable(Again.ALWAYS)
    def let_go(self, owner: str) -> None:
        """Let others have at once what this worker has in hand."""
        mine = (deliveries.c.state == DeliveryState.WAITING, deliveries.c.owner == owner)
        with self._writing.begin() as connection:
            connection.execute(update(deliveries).where(*mine).values(lease_until=0.0, owner=""))

    @repeatable(Again.ALWAYS)
    def first_open(self) -> float | None:
        """Return since when there are subscriptions whose workflow has not ended; None where there are none."""
        query = select(func.min(subscriptions.c.since)).where(subscriptions.c.ended_at.is_(None))
        with self._engine.begin() as connection:
            return connection.execute(query).scalar()

    @repeatable(Again.ALWAYS)
    def open_among(self, workflow_ids: Collection[str]) -> set[str]:
        """Return those of these workflows whose end somebody is still to be told of."""
        ids, found = list(workflow_ids), set[str]()
        is_open = subscriptions.c.ended_at.is_(None)
        with self._engine.begin() as connection:
            for start in range(0, len(ids), MOST_ENDS):
                some = subscriptions.c.workflow_id.in_(ids[start : start + MOST_ENDS])
                found.update(connection.execute(select(subscriptions.c.workflow_id).where(is_open, some)).scalars())
        return found

    @repeatable(Again.ALWAYS)
    def progressing(self, prefix: str, *, before: float) -> list[str]:
        """Return the open workflows with a prefix whose progress was not told since a moment."""
        late = func.coalesce(subscriptions.c.last_progress_at, subscriptions.c.since) < before
        query = (
            select(subscriptions.c.workflow_id)
            .distinct()
            .where(subscriptions.c.ended_at.is_(None), subscriptions.c.workflow_id.startswith(prefix), late)
        )
        with self._engine.begin() as connection:
            return list(connection.execute(query).scalars())

    @repeatable(Again.ALWAYS)
    def take_turn(self, name: str, owner: str, seconds: float) -> bool:
        """Return whether it is this worker that looks after something, for the next seconds."""
        now = time.time()
        free = or_(turns.c.owner == owner, turns.c.until < now)
        with self._writing.begin() as connection:
            insert_missing(connection, turns, {"name": name, "owner": "", "until": 0.0})
            taken = update(turns).where(turns.c.name == name, free).values(owner=owner, until=now + seconds)
            return connection.execute(taken).rowcount > 0

    def _note_course(self, connection: Connection, new: NewDelivery, wanted: Sequence[Target]) -> None:
        of_it = subscriptions.c.workflow_id == new.workflow_id
        if new.occurrence is Occurrence.STARTED:
            _subscribe(connection, new.workflow_id, wanted, is_conversation=False)
            is_known = select(deliveries.c.number).where(deliveries.c.event_id == new.event_id).limit(1)
            if connection.execute(is_known).first() is None:  # else it is an end that is known already
                connection.execute(update(subscriptions).where(of_it).values(ended_at=None))
        elif new.occurrence.is_end:
            connection.execute(update(subscriptions).where(of_it).values(ended_at=new.at))
        elif new.occurrence is Occurrence.PROGRESS:
            connection.execute(update(subscriptions).where(of_it).values(last_progress_at=new.at))


def _subscribe(connection: Connection, workflow_id: str, wanted: Iterable[Target], *, is_conversation: bool) -> None:
    for target in wanted:
        key = target_id(target)
        insert_missing(connection, targets, {"target_id": key, "target": written(target)})
        values = {"workflow_id": workflow_id, "target_id": key, "is_conversation": int(is_conversation)}
        insert_missing(connection, subscriptions, {**values, "since": time.time()})


def _insert(connection: Connection, new: NewDelivery, target: Target) -> int:
    key = target_id(target)
    insert_missing(connection, targets, {"target_id": key, "target": written(target)})
    before = and_(
        deliveries.c.target_id == key,
        deliveries.c.workflow_id == new.workflow_id,
        deliveries.c.state == DeliveryState.WAITING,
    )
    next_at = connection.execute(select(func.max(deliveries.c.next_at)).where(before)).scalar()
    row = insert_into(connection, deliveries).values(
        event_id=new.event_id,
        target_id=key,
        workflow_id=new.workflow_id,
        occurrence=new.occurrence,
        body=new.body,
        state=DeliveryState.WAITING,
        attempts=0,
        next_at=max(new.at, next_at or 0.0),
        lease_until=0.0,
        owner="",
        created_at=new.at,
        given_up_at=new.at + new.lasts,
    )
    unless_known = row.on_conflict_do_nothing(index_elements=["event_id", "target_id"])
    return len(connection.execute(unless_known.returning(deliveries.c.number)).all())


def _is_due(now: float) -> tuple[ColumnElement[bool], ...]:
    return (
        deliveries.c.state == DeliveryState.WAITING,
        deliveries.c.next_at <= now,
        deliveries.c.lease_until <= now,
    )


def _is_takeable(now: float) -> tuple[ColumnElement[bool], ...]:
    """Return the conditions of rows that are due, and that no other of the same workflow comes before."""
    earlier = deliveries.alias("earlier")
    comes_first = (
        select(literal(1))
        .where(
            earlier.c.target_id == deliveries.c.target_id,
            earlier.c.workflow_id == deliveries.c.workflow_id,
            earlier.c.state == DeliveryState.WAITING,
            earlier.c.number < deliveries.c.number,
        )
        .correlate(deliveries)
        .exists()
    )
    return (*_is_due(now), ~comes_first)


def _take(connection: Connection, target: str, now: float, places: int) -> list[Claimed]:
    """Lock rows that may be taken and are nobody else's."""
    query = (
        select(deliveries, targets.c.target)
        .join(targets, targets.c.target_id == deliveries.c.target_id)
        .where(deliveries.c.target_id == target, *_is_takeable(now))
        .order_by(deliveries.c.next_at, deliveries.c.number)
        .limit(places)
        .with_for_update(skip_locked=True, of=deliveries)
    )
    return [
        Claimed(
            number=row.number,
            event_id=row.event_id,
            target_id=row.target_id,
            workflow_id=row.workflow_id,
            target=read(row.target),
            body=row.body,
            attempts=row.attempts,
            given_up_at=row.given_up_at,
        )
        for row in connection.execute(query)
    ]


def _fail(connection: Connection, owner: str, one: Attempted, now: float) -> None:
    """Write down a failure. What follows it of the same workflow waits as long as it does."""
    mine = _waiting(one.delivery.number).where(deliveries.c.owner == owner)
    values: dict[str, Any] = {"attempts": _next_attempt(), "error": one.error, "lease_until": 0.0, "owner": ""}
    if one.next_at is None:
        connection.execute(mine.values(state=DeliveryState.PARKED, ended_at=now, **values))
        return
    if connection.execute(mine.values(next_at=one.next_at, **values)).rowcount:
        followers = update(deliveries).where(
            deliveries.c.target_id == one.delivery.target_id,
            deliveries.c.workflow_id == one.delivery.workflow_id,
            deliveries.c.state == DeliveryState.WAITING,
            deliveries.c.number > one.delivery.number,
        )
        connection.execute(followers.values(next_at=one.next_at))


def _held_back(target: str, now: float) -> Any:
    waits = deliveries.c.state == DeliveryState.WAITING, deliveries.c.next_at > now
    return update(deliveries).where(deliveries.c.target_id == target, *waits)


def _waiting(number: int) -> Any:
    is_it = (deliveries.c.number == number, deliveries.c.state == DeliveryState.WAITING)
    return update(deliveries).where(*is_it)


def _next_attempt() -> ColumnElement[int]:
    return deliveries.c.attempts + 1

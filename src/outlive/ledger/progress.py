"""How far a batch is: sums over its outcomes, and sums that may be a moment old."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from sqlalchemy import Connection, case, func, or_, select

from outlive.ledger.dialects import total
from outlive.ledger.records import BatchRecord, Progress
from outlive.ledger.schema import begun, outcomes

LEISURE = 5
"""Summing a million outcomes up takes a while: what was summed up counts for so many times as long."""
LATE_SECONDS = 60.0  # after the end of a batch, in which an attempt that was taken for dead may still record


def sum_up(connection: Connection, record: BatchRecord) -> Progress:
    """Return the sums over a batch's outcomes so far."""
    sums = connection.execute(
        select(
            outcomes.c.status,
            outcomes.c.cause,
            func.count().label("documents"),
            total(outcomes.c.reused).label("reused"),
            total(outcomes.c.calls).label("calls"),
            total(outcomes.c.input_tokens).label("input_tokens"),
            total(outcomes.c.output_tokens).label("output_tokens"),
            total(outcomes.c.usd_nanos).label("usd_nanos"),
            (func.count() - func.count(outcomes.c.usd_nanos)).label("unpriced"),
        )
        .where(outcomes.c.batch == record.number)
        .group_by(outcomes.c.status, outcomes.c.cause)
    ).all()
    is_of_it = begun.c.batch == record.number
    in_hand = select(func.count()).select_from(begun).where(is_of_it, begun.c.times > 0)
    begun_documents = connection.execute(in_hand).scalar_one()
    again = begun.c.times - 1 - begun.c.outages
    has_history = or_(begun.c.times > 1, begun.c.earlier_calls > 0)  # few: the others have nothing to add up
    earlier = connection.execute(
        select(
            total(case((again > 0, again), else_=0)).label("again"),
            total(begun.c.earlier_calls).label("calls"),
            total(begun.c.earlier_input_tokens).label("input_tokens"),
            total(begun.c.earlier_output_tokens).label("output_tokens"),
            total(begun.c.earlier_usd_nanos).label("usd_nanos"),
        ).where(is_of_it, has_history)
    ).one()
    recorded = sum(row.documents for row in sums)
    return Progress(
        total=record.unique_count,
        done=sum(row.documents for row in sums if row.status == "done"),
        reused=sum(row.reused for row in sums),
        failed={row.cause: row.documents for row in sums if row.status == "failed"},
        calls=sum(row.calls for row in sums) + earlier.calls,
        input_tokens=sum(row.input_tokens for row in sums) + earlier.input_tokens,
        output_tokens=sum(row.output_tokens for row in sums) + earlier.output_tokens,
        usd_nanos=sum(row.usd_nanos for row in sums) + earlier.usd_nanos,
        unpriced=sum(row.unpriced for row in sums),
        begun_again=earlier.again,
        in_flight=max(0, begun_documents - recorded),
    )


@dataclass(frozen=True, kw_only=True)
class _Sums:
    progress: Progress
    finished_at: float | None
    read_at: float
    fresh_until: float


class LeisurelyProgress:
    """Sums of batches that are looked at often, by any number of readers: one of them has them made, all share them.

    Those of a batch that has ended are made once.
    """

    def __init__(self) -> None:
        self._known: dict[int, _Sums] = {}
        self._reading: dict[int, asyncio.Lock] = {}

    async def read(self, record: BatchRecord, sum_up_now: Callable[[], Awaitable[Progress]]) -> Progress:
        """Return the sums of a batch, a few times as old as it takes to make them at most."""
        async with self._reading.setdefault(record.number, asyncio.Lock()):
            known = self._known.get(record.number)
            if known is None or not _holds(known, record):
                began, at = time.monotonic(), time.time()
                progress = await sum_up_now()
                now = time.monotonic()
                known = _Sums(
                    progress=progress,
                    finished_at=record.finished_at,
                    read_at=at,
                    fresh_until=now + LEISURE * (now - began),
                )
                self._known[record.number] = known
        return known.progress

    def known(self, record: BatchRecord) -> Progress | None:
        """Return the sums of a batch where they were made lately; None otherwise."""
        known = self._known.get(record.number)
        return known.progress if known is not None and _holds(known, record) else None


def _holds(known: _Sums, record: BatchRecord) -> bool:
    if known.finished_at != record.finished_at:
        return False
    is_final = record.finished_at is not None and known.read_at > record.finished_at + LATE_SECONDS
    return is_final or time.monotonic() < known.fresh_until

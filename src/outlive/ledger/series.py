"""How a batch went over time: sums that are written with its outcomes, so that no plot has to read a million of them.

A step of time is the longer the older the batch is when it writes: 2 s in its first ten minutes, 300 s after six hours.
A batch of a month has fewer than 10,000 steps. Latencies are kept in bins of a log scale, which percentiles are read
from: off by 9 % at most.
"""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from sqlalchemy import Connection, Engine, func, select

from outlive.ledger.dialects import is_postgres, total
from outlive.ledger.outages import Again, repeatable
from outlive.ledger.schema import batch_series as table

STEPS: Sequence[tuple[float, int]] = ((600, 2), (3_600, 10), (6 * 3_600, 30))
"""Seconds of a step, up to an age of the batch in seconds."""
LONGEST_STEP = 300
SHOWN_STEPS = (2, 10, 30, 60, 120, 300, 600, 1_800, 3_600, 7_200, 14_400, 43_200)  # multiples of what is written
DAY_SECONDS = 86_400
BINS_PER_DOUBLING = 4
SHORTEST_SECONDS = 0.001  # what takes less is in the bin of this
SUMS = ("documents", "failed", "calls", "input_tokens", "output_tokens", "usd_nanos", "unpriced")
_ADD = """
INSERT INTO batch_series (batch, moment, latency, documents, failed, calls, input_tokens, output_tokens, usd_nanos,
                          unpriced)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (batch, moment, latency) DO UPDATE SET
  documents = batch_series.documents + excluded.documents, failed = batch_series.failed + excluded.failed,
  calls = batch_series.calls + excluded.calls, input_tokens = batch_series.input_tokens + excluded.input_tokens,
  output_tokens = batch_series.output_tokens + excluded.output_tokens,
  usd_nanos = batch_series.usd_nanos + excluded.usd_nanos, unpriced = batch_series.unpriced + excluded.unpriced
"""

Key = tuple[int, int, int]
"""Batch, moment and latency."""


@dataclass(frozen=True, kw_only=True)
class BatchSeries:
    """A batch over time, in steps of one length.

    Attributes:
        times: When each step began, in seconds since the epoch; without a gap.
        sums: By name of `SUMS`, of each step.
        p50_seconds: Latency that half of a step's documents stayed below; None where it had none.
    """

    step_seconds: int
    times: list[int] = field(default_factory=list)
    sums: Mapping[str, list[int]] = field(default_factory=lambda: {name: [] for name in SUMS})
    p50_seconds: list[float | None] = field(default_factory=list)
    p95_seconds: list[float | None] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Recent:
    """What a batch did lately.

    Attributes:
        seconds: Over how long; 0 where it recorded nothing yet.
        usd_nanos: Of those documents whose price is known.
    """

    seconds: float = 0.0
    documents: int = 0
    calls: int = 0
    usd_nanos: int = 0
    unpriced: int = 0

    @property
    def documents_per_second(self) -> float:
        """How many documents got their outcome a second."""
        return self.documents / self.seconds if self.seconds > 0 else 0.0


def step_at(age_seconds: float) -> int:
    """Return how long a step is, in seconds, that a batch of this age writes."""
    return next((step for age, step in STEPS if age_seconds < age), LONGEST_STEP)


def moment_of(at: float, created_at: float) -> int:
    """Return when the step began that a moment is in, for a batch that was created then; seconds since the epoch."""
    step = step_at(at - created_at)
    return int(at // step * step)


def latency_bin(seconds: float) -> int:
    """Return the bin of a latency."""
    return round(BINS_PER_DOUBLING * math.log2(max(seconds, SHORTEST_SECONDS)))


def seconds_of(latency: int) -> float:
    """Return the latency in the middle of a bin."""
    return float(2 ** (latency / BINS_PER_DOUBLING))


def add_to_series(connection: Connection, parts: Iterable[tuple[Key, Sequence[int]]]) -> None:
    """Add outcomes to the sums, in the transaction that is open.

    Args:
        parts: Of each outcome where it counts, and its share of `SUMS`, in their order.
    """
    sums: dict[Key, Sequence[int]] = {}
    for key, values in parts:
        before = sums.get(key)
        sums[key] = values if before is None else [a + b for a, b in zip(before, values, strict=True)]
    if sums:  # in one order whoever writes, or two workers would wait for each other
        rows = [(*key, *sums[key]) for key in sorted(sums)]
        connection.exec_driver_sql(_ADD.replace("?", "%s") if is_postgres(connection) else _ADD, rows)


class SeriesBook:
    """Reads of how batches went, to be run through `Ledger.call`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @repeatable(Again.ALWAYS)
    def read(self, number: int, created_at: float, *, points: int) -> BatchSeries:
        """Return a batch over time, in some ``points`` steps at most."""
        of_it = table.c.batch == number
        with self._engine.connect() as connection:
            first, last = connection.execute(
                select(func.min(table.c.moment), func.max(table.c.moment)).where(of_it)
            ).one()
            if first is None:
                return BatchSeries(step_seconds=STEPS[0][1])
            step = _shown_step(last - first, points, at_least=step_at(last - created_at))
            began = (table.c.moment // step * step).label("began")
            query = select(began, table.c.latency, *(total(table.c[name]).label(name) for name in SUMS))
            rows = connection.execute(query.where(of_it).group_by(began, table.c.latency)).all()
        times = list(range(first // step * step, last + 1, step))
        places = {moment: place for place, moment in enumerate(times)}
        sums = {name: [0] * len(times) for name in SUMS}
        bins: list[dict[int, int]] = [{} for _ in times]
        for row in rows:
            place = places[row.began]
            bins[place][row.latency] = row.documents
            for name in SUMS:
                sums[name][place] += getattr(row, name)
        return BatchSeries(
            step_seconds=step,
            times=times,
            sums=sums,
            p50_seconds=[_percentile(counts, 0.50) for counts in bins],
            p95_seconds=[_percentile(counts, 0.95) for counts in bins],
        )

    @repeatable(Again.ALWAYS)
    def recent(self, number: int, created_at: float, *, seconds: float) -> Recent:
        """Return what a batch did in the last seconds: in as many more as its steps are longer."""
        now = time.time()
        since = moment_of(now - max(seconds, step_at(now - created_at)), created_at)
        names = ("documents", "calls", "usd_nanos", "unpriced")
        query = select(func.min(table.c.moment), *(total(table.c[name]).label(name) for name in names))
        first = select(func.min(table.c.moment)).where(table.c.batch == number)
        with self._engine.connect() as connection:
            row = connection.execute(query.where(table.c.batch == number, table.c.moment >= since)).one()
            began = connection.execute(first).scalar()
        if began is None:
            return Recent()
        passed = max(now - max(since, began), float(STEPS[0][1]))
        return Recent(seconds=passed, **{name: getattr(row, name) for name in names})


def _shown_step(span: int, points: int, *, at_least: int) -> int:
    wanted = max(span / max(points - 1, 1), at_least)
    days = -(-int(wanted) // DAY_SECONDS)
    return next((step for step in SHOWN_STEPS if step >= wanted), days * DAY_SECONDS)


def _percentile(counts: Mapping[int, int], share: float) -> float | None:
    if not counts:
        return None
    latencies = sorted(counts)
    reached = accumulate(counts[latency] for latency in latencies)
    wanted = share * sum(counts.values())
    return next(seconds_of(latency) for latency, count in zip(latencies, reached, strict=True) if count >= wanted)

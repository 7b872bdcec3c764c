"""How a batch went over time: sums that are written with its outcomes, each once."""

import asyncio
from dataclasses import asdict
from itertools import pairwise

import pytest
from sqlalchemy import insert

from outlive.ledger.ledger import Ledger
from outlive.ledger.records import BatchState
from outlive.ledger.schema import batch_series
from outlive.ledger.series import (
    DAY_SECONDS,
    LONGEST_STEP,
    SUMS,
    latency_bin,
    moment_of,
    seconds_of,
    step_at,
)
from unit.ledger.conftest import done, failed, sealed

MONTH_SECONDS = 30 * DAY_SECONDS
CREATED = 1_000_000_000.0  # a multiple of 300 s is not needed: moments are those of the clock


def read(ledger, record, points=240):
    return ledger.series.read(record.number, record.created_at, points=points)


def write(ledger, number, *rows):
    """Write sums as a worker has: moment, latency, and what there is of them."""
    nothing = dict.fromkeys(SUMS, 0)
    with ledger.engine.execution_options(outlive_writes=True).begin() as connection:
        for moment, seconds, sums in rows:
            values = {"batch": number, "moment": moment, "latency": latency_bin(seconds), **nothing, **sums}
            connection.execute(insert(batch_series).values(**values))


async def test_outcomes_are_summed_up_as_they_are_recorded(ledger):
    record = sealed(ledger, 3)
    window = await ledger.window("b")

    await asyncio.gather(
        window.record(done(0, seconds=1.0, calls=2, input_tokens=10, output_tokens=5, usd_nanos=7)),
        window.record(done(1, seconds=2.0, calls=1, usd_nanos=None)),
        window.record(failed(2, seconds=4.0)),
    )

    series = read(ledger, record)
    sums = {name: sum(values) for name, values in series.sums.items()}
    assert sums == {
        "documents": 3,
        "failed": 1,
        "calls": 3,
        "input_tokens": 10,
        "output_tokens": 5,
        "usd_nanos": 7,
        "unpriced": 1,
    }
    assert series.step_seconds == 2


async def test_a_document_that_two_attempts_have_answered_counts_once(ledger):
    record = sealed(ledger, 2)
    window = await ledger.window("b")
    await window.record(done(0, seconds=1.0, usd_nanos=1))

    await asyncio.gather(
        window.record(done(0, seconds=2.0, usd_nanos=10)),
        window.record(done(1, seconds=3.0, usd_nanos=100)),
        window.record(done(1, seconds=4.0, usd_nanos=1_000)),
    )

    sums = read(ledger, record).sums
    assert (sum(sums["documents"]), sum(sums["usd_nanos"])) == (2, 101)


async def test_what_was_retried_stays_in_the_series_and_its_second_outcome_is_added(ledger):
    record = sealed(ledger, 1)
    window = await ledger.window("b")
    await window.record(failed(0))
    ledger.batches.set_state("b", BatchState.FINISHED)
    ledger.batches.take_back_failed("b")

    await window.record(done(0))

    sums = read(ledger, record).sums
    assert (sum(sums["documents"]), sum(sums["failed"])) == (2, 1)


async def test_a_removed_batch_leaves_no_series_behind(ledger):
    record = sealed(ledger, 1)
    await (await ledger.window("b")).record(done(0))

    ledger.batches.remove("b")

    assert read(ledger, record).times == []


async def test_a_batch_without_outcomes_has_an_empty_series(ledger):
    series = read(ledger, sealed(ledger, 1))

    assert (series.times, series.p50_seconds, series.sums["documents"]) == ([], [], [])


def test_a_batch_of_a_month_has_fewer_than_ten_thousand_moments_each_step_a_part_of_the_next():
    steps = sorted({step_at(age) for age in range(0, MONTH_SECONDS, 2)})

    assert len({moment_of(CREATED + age, CREATED) for age in range(0, MONTH_SECONDS, 2)}) < 10_000
    assert (steps[0], steps[-1]) == (2, LONGEST_STEP)
    assert all(longer % shorter == 0 for shorter, longer in pairwise(steps))


@pytest.mark.parametrize("seconds", [0.0013, 0.2, 1.0, 7.7, 600.0])
def test_a_latency_is_kept_to_nine_percent(seconds):
    assert seconds_of(latency_bin(seconds)) == pytest.approx(seconds, rel=0.0905)


def test_no_time_at_all_is_a_latency_too():
    assert latency_bin(0.0) == latency_bin(0.001)


async def test_a_series_has_every_step_and_no_more_than_were_asked_for(ledger):
    record = sealed(ledger, 1)
    began = int(record.created_at) // 300 * 300
    write(
        ledger,
        record.number,
        (began, 1.0, {"documents": 4}),
        (began + 2, 1.0, {"documents": 5}),
        (began + 1_000_000, 1.0, {"documents": 6}),
    )

    series = read(ledger, record, points=100)

    assert series.step_seconds == 14_400
    assert len(series.times) in {70, 71}
    assert [b - a for a, b in pairwise(series.times)] == [14_400] * (len(series.times) - 1)
    assert [count for count in series.sums["documents"] if count] == [9, 6]
    assert [value for value in series.p50_seconds if value is not None] == [1.0, 1.0]


async def test_percentiles_are_read_from_the_bins(ledger):
    record = sealed(ledger, 1)
    moment = int(record.created_at) // 2 * 2
    write(
        ledger,
        record.number,
        *((moment, seconds, {"documents": count}) for seconds, count in ((1.0, 60), (4.0, 34), (64.0, 6))),
    )

    series = read(ledger, record)

    assert (series.p50_seconds, series.p95_seconds) == ([1.0], [64.0])


async def test_the_rate_is_that_of_the_last_seconds(ledger):
    record = sealed(ledger, 1)
    window = await ledger.window("b")
    write(ledger, record.number, (int(record.created_at) - 1_000, 1.0, {"documents": 500}))
    await window.record(done(0, usd_nanos=9))

    recent = ledger.series.recent(record.number, record.created_at, seconds=60)

    assert (recent.documents, recent.usd_nanos, recent.unpriced) == (1, 9, 0)
    assert 60 <= recent.seconds < 70
    assert recent.documents_per_second == pytest.approx(1 / recent.seconds)


async def test_a_batch_that_has_recorded_nothing_has_no_rate(ledger):
    record = sealed(ledger, 1)

    assert asdict(ledger.series.recent(record.number, record.created_at, seconds=60))["seconds"] == 0


async def test_no_step_is_shown_that_is_finer_than_what_was_written(ledger):
    record = sealed(ledger, 1)
    began = int(record.created_at) // 300 * 300 + 300
    write(ledger, record.number, (began, 1.0, {"documents": 4}), (began + 900, 1.0, {"documents": 5}))

    series = read(ledger, record, points=1_000)

    assert (series.step_seconds, len(series.times)) == (10, 91)


async def test_workers_that_record_at_the_same_time_add_to_the_same_series(ledger, where):
    record = sealed(ledger, 400)

    async with Ledger(where) as other:
        windows = [await ledger.window("b"), await other.window("b")]
        await asyncio.gather(
            *(windows[at % 2].record(done(at, seconds=0.1 * (1 + at % 40), calls=1)) for at in range(400))
        )

    sums = read(ledger, record).sums
    assert (sum(sums["documents"]), sum(sums["calls"])) == (400, 400)

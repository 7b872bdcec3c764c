"""What is to be expected of a batch, and what that rests on."""

from outlive.ledger.forecasting import Outlook, outlook_of
from outlive.ledger.progress import LeisurelyProgress
from outlive.ledger.records import BatchRecord, BatchState, Progress
from outlive.ledger.series import Recent
from unit.ledger.conftest import spec

NOW = 1_000_000.0
RECENT = Recent(seconds=120.0, documents=240, usd_nanos=2_400, unpriced=0)
PROGRESS = Progress(total=1_000, done=350, failed={"timeout": 50}, usd_nanos=10_000)


def record(state: BatchState = BatchState.RUNNING, **values: object) -> BatchRecord:
    defaults = {"number": 1, "batch_id": "b", "spec": spec(), "state": state, "state_reason": None, "concurrency": 1}
    more = {"document_count": 1_000, "duplicate_count": 0, "created_at": 0.0, "finished_at": None}
    return BatchRecord(**(defaults | more | values))


def test_a_batch_that_runs_ends_at_its_rate_and_costs_what_documents_cost_lately():
    found = outlook_of(record(), PROGRESS, RECENT, now=NOW)

    assert (found.documents_per_second, found.seconds_left, found.ends_at) == (2.0, 300.0, NOW + 300.0)
    assert found.usd_nanos == 10_000 + 600 * 10
    assert "the rate of the last 2 min, 120 documents a minute" in found.basis
    assert "that of the documents of this time" in found.basis


def test_a_paused_batch_has_no_end_and_costs_what_all_have_cost():
    found = outlook_of(record(BatchState.PAUSED), PROGRESS, Recent(), now=NOW)

    assert (found.documents_per_second, found.seconds_left, found.ends_at) == (None, None, None)
    assert found.usd_nanos == 10_000 + 600 * 25
    assert "while it is paused" in found.basis


def test_a_batch_that_stands_still_says_so():
    found = outlook_of(record(), PROGRESS, Recent(seconds=120.0), now=NOW)

    assert (found.documents_per_second, found.ends_at) == (0.0, None)
    assert "no document got its outcome in the last 2 min" in found.basis


def test_what_has_no_known_price_has_no_known_cost():
    unpriced = Recent(seconds=120.0, documents=240, unpriced=1)

    found = outlook_of(record(), Progress(total=1_000, done=400, unpriced=7), unpriced, now=NOW)

    assert (found.usd_nanos, found.seconds_left) == (None, 300.0)
    assert "7 documents have no known price" in found.basis


def test_nothing_is_foretold_of_what_has_ended_or_not_begun():
    ended = outlook_of(record(BatchState.FINISHED), Progress(total=9, done=9), RECENT, now=NOW)
    fresh = outlook_of(record(), Progress(total=9), Recent(), now=NOW)

    assert ended == fresh == Outlook()


async def test_sums_that_took_long_are_shared_for_some_time_and_those_of_an_ended_batch_for_good(monkeypatch):
    clock, reads = [100.0], []
    monkeypatch.setattr("outlive.ledger.progress.time.monotonic", lambda: clock[0])
    sums = LeisurelyProgress()

    async def sum_up() -> Progress:
        clock[0] += 1.0  # it takes a second
        reads.append(clock[0])
        return PROGRESS

    await sums.read(record(), sum_up)
    clock[0] += 4.9
    await sums.read(record(), sum_up)
    shared = len(reads)
    assert sums.known(record()) == PROGRESS
    clock[0] += 0.2
    assert sums.known(record()) is None
    await sums.read(record(), sum_up)
    anew = len(reads)
    long_ended = record(BatchState.FINISHED, finished_at=1.0)
    await sums.read(long_ended, sum_up)
    clock[0] += 1_000
    await sums.read(long_ended, sum_up)

    assert (shared, anew, len(reads)) == (1, 2, 3)

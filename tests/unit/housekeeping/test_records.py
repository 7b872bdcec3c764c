"""One round at a time, and what is remembered of rounds."""

import pytest

from outlive.engine.collecting import Collected
from outlive.engine.home import Home
from outlive.errors import HousekeepingBusy
from outlive.housekeeping.records import RoundRecord, read_record, sole_round
from outlive.housekeeping.rounds import RoundReport
from outlive.ledger.retention import Kept

REPORT = RoundReport(
    is_dry_run=False,
    executions=5,
    forgotten=("agent/a/1", "agent/a/2"),
    rows=Kept(calls=7, answers=2),
    streams=2,
    payloads=Collected(executions=5, referred=3, kept=3, removed=4, removed_bytes=400),
    files={},
    seconds=0.1,
)


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(tmp_path / ".outlive")


def test_a_second_round_is_refused_and_told_who_has_the_first(home):
    with sole_round(home), pytest.raises(HousekeepingBusy, match=r"Process \d+ is at it"), sole_round(home):
        pass
    with sole_round(home):
        assert read_record(home) == RoundRecord()


def test_what_a_round_removed_is_remembered_until_the_next_one(home):
    with sole_round(home) as recorder:
        recorder.begin()
        begun = read_record(home)
        recorder.end(REPORT)
    record = read_record(home)

    assert begun.ended_at is None
    assert begun.began_at == record.began_at
    assert record.ended_at is not None
    assert record.summary["runs"] == 2
    assert record.summary["payload_bytes"] == 400


def test_a_failure_is_remembered_since_its_first_time_and_until_a_round_goes_through(home):
    with sole_round(home) as recorder:
        recorder.end(REPORT)
    with sole_round(home) as recorder:
        recorder.fail("the disk is full")
    first = read_record(home)
    with sole_round(home) as recorder:
        recorder.begin()
        recorder.fail("the disk is full still")
    second = read_record(home)
    with sole_round(home) as recorder:
        recorder.end(REPORT)

    assert first.failure == "the disk is full"
    assert first.summary["runs"] == 2
    assert second.failure == "the disk is full still"
    assert second.failing_since == first.failing_since == first.began_at
    assert second.began_at > first.began_at
    assert (read_record(home).failure, read_record(home).failing_since) == ("", None)


def test_a_record_that_cannot_be_read_is_none(home):
    home.create()
    home.housekeeping_file.write_text("{half of")

    assert read_record(home) == RoundRecord()

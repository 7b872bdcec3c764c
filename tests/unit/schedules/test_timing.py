"""When a schedule starts something: what can be said, and what is refused."""

from datetime import timedelta

import pytest
from temporalio.client import ScheduleOverlapPolicy, ScheduleRange

from outlive import Timing
from outlive.errors import ScheduleError
from outlive.schedules.timing import Overlap, calendar_of


def test_fields_of_a_calendar_are_ranges_lists_and_names():
    found = calendar_of("hour=9,17 minute=0-30/15 day_of_week=mon-fri month=jan,Jul day_of_month=*")

    assert found.hour == [ScheduleRange(9), ScheduleRange(17)]
    assert found.minute == [ScheduleRange(0, 30, 15)]
    assert found.day_of_week == [ScheduleRange(1, 5)]
    assert found.month == [ScheduleRange(1), ScheduleRange(7)]
    assert found.day_of_month == [ScheduleRange(1, 31)]


@pytest.mark.parametrize(
    "text",
    ["", "9:30", "hour", "hour=", "hour=24", "hour=5-3", "hour=x", "day_of_week=xyz", "hours=9", "hour=9 hour=10"],
)
def test_a_calendar_that_cannot_be_read_is_refused_with_the_value(text):
    with pytest.raises(ScheduleError, match=r"field=value"):
        calendar_of(text)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({}, "names no time"),
        ({"every": timedelta(milliseconds=10)}, "shortest interval"),
        ({"cron": ["@daily"], "time_zone": "Mars/Olympus"}, "no time zone"),
        ({"cron": ["@daily"], "overlap": "queue"}, "It takes: skip"),
        ({"cron": ["@daily"], "catch_up": timedelta(seconds=1)}, "at least 10 seconds"),
    ],
)
def test_a_timing_that_makes_no_sense_is_refused(values, said):
    with pytest.raises(ScheduleError, match=said):
        Timing(**values)


@pytest.mark.parametrize("overlap", list(Overlap))
def test_each_overlap_policy_is_one_of_temporals(overlap):
    assert Timing(cron=["@daily"], overlap=overlap).policy.overlap is ScheduleOverlapPolicy[overlap.name]


def test_the_times_are_told_for_a_person():
    timing = Timing(cron=["0 2 * * *"], calendar=["hour=9"], time_zone="Europe/Berlin")

    assert timing.text == "cron 0 2 * * *; hour=9 (Europe/Berlin)"
    assert Timing(every=timedelta(hours=2)).text == "every 2:00:00"

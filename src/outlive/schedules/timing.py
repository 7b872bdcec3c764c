"""When a schedule starts something, and what it does where the last start still runs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from zoneinfo import available_timezones

from temporalio.client import (
    ScheduleCalendarSpec,
    ScheduleIntervalSpec,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleRange,
    ScheduleSpec,
)

from outlive.errors import ScheduleError

CATCH_UP = timedelta(days=1)  # Temporal's own default, a year, would start 8,760 runs after one
SMALLEST_CATCH_UP = timedelta(seconds=10)  # the engine takes no less
SHORTEST_INTERVAL = timedelta(seconds=1)
HOW = "Write field=value with spaces between: 'hour=9 minute=30 day_of_week=mon-fri'."

_RANGE = re.compile(r"(?P<first>\w+)(?:-(?P<last>\w+))?(?:/(?P<by>\d+))?")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = ("", "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_LIMITS: Mapping[str, tuple[int, int]] = {
    "second": (0, 59),
    "minute": (0, 59),
    "hour": (0, 23),
    "day_of_month": (1, 31),
    "month": (1, 12),
    "year": (2000, 2100),
    "day_of_week": (0, 6),
}


class Overlap(StrEnum):
    """What happens at a time at which the run of an earlier time still goes on.

    Attributes:
        SKIP: Nothing is started.
        BUFFER_ONE: One start waits for its end; further ones are skipped.
        BUFFER_ALL: Each start waits for its turn.
        CANCEL_OTHER: The one that goes on is cancelled; the new one begins once it has ended.
        TERMINATE_OTHER: As before, without waiting: the earlier run is asked to cancel, and may still be ending.
        ALLOW_ALL: Both go on.
    """

    SKIP = "skip"
    BUFFER_ONE = "buffer_one"
    BUFFER_ALL = "buffer_all"
    CANCEL_OTHER = "cancel_other"
    TERMINATE_OTHER = "terminate_other"
    ALLOW_ALL = "allow_all"


@dataclass(frozen=True, kw_only=True)
class Timing:
    """When: the times of ``cron``, ``every`` and ``calendar`` together.

    Attributes:
        cron: Expressions with five fields, ``0 2 * * mon-fri``, or ``@daily`` and the like.
        every: An interval, counted from the epoch plus ``offset``.
        calendar: Fields and values, ``hour=9 minute=30 day_of_week=mon-fri``; what is left out is any day, at second,
            minute and hour 0.
        time_zone: Of ``cron`` and ``calendar``, such as ``Europe/Berlin``; UTC by default.
        jitter: Each start is put off by a random time up to this.
        overlap: One of `Overlap`.
        catch_up: Times that passed while no engine ran are made up for, if they are no longer ago.
        start_at: Not before.
        end_at: Not after.
        pause_on_failure: Whether the schedule pauses itself when a run of it has failed.

    Raises:
        ScheduleError: If it names no time, or one that cannot be read.
    """

    cron: Sequence[str] = ()
    every: timedelta | None = None
    offset: timedelta | None = None
    calendar: Sequence[str] = ()
    time_zone: str = "UTC"
    jitter: timedelta | None = None
    overlap: str = Overlap.SKIP
    catch_up: timedelta = CATCH_UP
    start_at: datetime | None = None
    end_at: datetime | None = None
    pause_on_failure: bool = False

    def __post_init__(self) -> None:
        if not (self.cron or self.every or self.calendar):
            raise ScheduleError("The schedule names no time. Give cron, every or calendar.")
        if self.every is not None and self.every < SHORTEST_INTERVAL:
            raise ScheduleError(f"every is {self.every}. The shortest interval is one second.")
        if self.time_zone not in available_timezones():
            raise ScheduleError(f"{self.time_zone!r} is no time zone. Write one such as Europe/Berlin.")
        overlap_of(self.overlap)
        if self.catch_up < SMALLEST_CATCH_UP:
            raise ScheduleError(f"catch_up is {self.catch_up}. It must be at least 10 seconds.")
        for text in self.calendar:
            calendar_of(text)

    @property
    def spec(self) -> ScheduleSpec:
        """As Temporal takes the times."""
        interval = [] if self.every is None else [ScheduleIntervalSpec(every=self.every, offset=self.offset)]
        return ScheduleSpec(
            cron_expressions=list(self.cron),
            intervals=interval,
            calendars=[calendar_of(text) for text in self.calendar],
            time_zone_name=self.time_zone,
            jitter=self.jitter,
            start_at=self.start_at,
            end_at=self.end_at,
        )

    @property
    def policy(self) -> SchedulePolicy:
        """As Temporal takes the rest."""
        return SchedulePolicy(
            overlap=overlap_of(self.overlap),
            catchup_window=self.catch_up,
            pause_on_failure=self.pause_on_failure,
        )

    @property
    def text(self) -> str:
        """The times for a person."""
        parts = [f"cron {text}" for text in self.cron]
        parts += [] if self.every is None else [f"every {self.every}"]
        parts += list(self.calendar)
        zone = "" if self.time_zone == "UTC" and not (self.cron or self.calendar) else f" ({self.time_zone})"
        return "; ".join(parts) + zone


def overlap_of(name: str) -> ScheduleOverlapPolicy:
    """Return Temporal's policy of a name.

    Raises:
        ScheduleError: If there is none.
    """
    if name not in set(Overlap):
        raise ScheduleError(f"overlap is {name!r}. It takes: {', '.join(Overlap)}.")
    return ScheduleOverlapPolicy[name.upper()]


def calendar_of(text: str) -> ScheduleCalendarSpec:
    """Return the times that fields and values mean.

    Raises:
        ScheduleError: If they cannot be read.
    """
    fields: dict[str, list[ScheduleRange]] = {}
    for part in text.split():
        name, equals, values = part.partition("=")
        if not equals or name not in _LIMITS or name in fields:
            raise ScheduleError(f"{part!r} in {text!r} is no field of a calendar: {', '.join(_LIMITS)}. {HOW}")
        fields[name] = [_range(name, value, text) for value in values.split(",")]
    if not fields:
        raise ScheduleError(f"{text!r} names no time. {HOW}")
    return ScheduleCalendarSpec(**fields, comment=text)


def _range(name: str, value: str, text: str) -> ScheduleRange:
    lowest, highest = _LIMITS[name]
    if value == "*":
        return ScheduleRange(lowest, highest)
    found = _RANGE.fullmatch(value)
    first = _number(name, found["first"]) if found else None
    last = _number(name, found["last"]) if found and found["last"] else first
    if found is None or first is None or last is None or not lowest <= first <= last <= highest:
        raise ScheduleError(f"{name}={value!r} in {text!r} is no value from {lowest} to {highest}. {HOW}")
    return ScheduleRange(first, last, int(found["by"] or 1) or 1)


def _number(name: str, text: str) -> int | None:
    names = {"day_of_week": _DAYS, "month": _MONTHS}.get(name, ())
    if text.lower()[:3] in names and text.isalpha():
        return names.index(text.lower()[:3])
    return int(text) if text.isdecimal() else None

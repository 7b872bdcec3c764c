"""Following a batch without a terminal: plain lines, and trouble only when it lasts."""

import io

import pytest
from rich.console import Console

from outlive.cli.following import LINE_SECONDS, LastingTrouble, PlainLines, Rate, facts, is_halted
from outlive.contracts.batches import BatchSpec
from outlive.engine.health import BatchHealth
from outlive.handles import BatchStatus, trouble
from outlive.ledger.records import BatchRecord, BatchState, Progress

WELL = BatchHealth(workflow_status="RUNNING", worker_count=1)
ALONE = BatchHealth(workflow_status="RUNNING", worker_count=0, problem="No worker polls the task queue 'q'.")


class Clock:
    """Time that passes when the test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def status(*, state=BatchState.RUNNING, reason=None, health=WELL, total=100, **progress):
    record = BatchRecord(
        number=1,
        batch_id="b-1",
        spec=BatchSpec(batch_id="b-1", function="f", model="m"),
        state=state,
        state_reason=reason,
        concurrency=8,
        document_count=total,
        duplicate_count=0,
        created_at=0.0,
        finished_at=None,
    )
    return BatchStatus(record=record, progress=Progress(total=total, **progress), health=health)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def printed():
    return io.StringIO()


@pytest.fixture
def lines(printed, clock):
    return PlainLines(Console(file=printed, width=40), clock=clock)


def test_a_line_holds_all_that_there_is_to_say_however_narrow_the_place(lines, printed):
    lines(status(done=1200, total=5000, failed={"dns": 2, "empty": 1}, input_tokens=999, output_tokens=2), 12.5, None)

    assert printed.getvalue() == (
        "b-1: 1,203/5,000  done 1,200  ·  failed 3 (dns 2, empty 1)  ·  12.5/s  ·  1,001 tokens  ·  $0"
        "  ·  about 5 min 04 s left\n"
    )


def test_lines_come_every_few_seconds_and_at_the_end(lines, printed, clock):
    for passed in (0, 1, LINE_SECONDS, 1):
        clock.now += passed
        lines(status(done=1), 0.0, None)
    lines(status(state=BatchState.FINISHED, done=100), 0.0, None)

    assert [line.split("  ")[0] for line in printed.getvalue().splitlines()] == [
        "b-1: 1/100",
        "b-1: 1/100",
        "b-1: 100/100",
    ]


def test_trouble_is_told_once_for_as_long_as_it_is_the_same(lines, printed):
    for note in ("No worker.", "No worker.", None, "No worker.", "Paused."):
        lines(status(), 0.0, note)

    told = [line for line in printed.getvalue().splitlines() if not line.startswith("b-1")]
    assert told == ["No worker.", "No worker.", "Paused."]


def test_trouble_that_mends_itself_is_not_told(clock):
    lasting = LastingTrouble(3.0, clock=clock)
    seen = []
    for passed, health in ((0, ALONE), (2.9, ALONE), (0, WELL), (0, ALONE), (2.9, ALONE)):
        clock.now += passed
        seen.append(lasting.see(status(health=health)))

    assert seen == [None] * 5
    clock.now += 0.1
    assert lasting.see(status(health=ALONE)) == ALONE.problem


def test_a_rate_is_of_the_last_seconds(clock):
    rate = Rate(clock=clock)
    seen = []
    for passed, recorded in ((0, 0), (10, 100), (10, 300), (10, 300), (21, 300)):
        clock.now += passed
        seen.append(rate.see(recorded))

    assert seen == [0.0, 10.0, 15.0, 10.0, 0.0]


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (status(), None),
        (status(health=ALONE), "No worker polls the task queue 'q'."),
        (status(health=None), "The engine does not answer at the moment; waiting for it."),
        (status(state=BatchState.PAUSED), "Paused. Go on with `outlive batch resume b-1`."),
        (
            status(state=BatchState.PAUSED, reason="Key refused"),
            "Paused (Key refused). Go on with `outlive batch resume b-1`.",
        ),
        (
            status(health=BatchHealth(workflow_status="TERMINATED", worker_count=1)),
            "The batch is not running in the engine. Go on with `outlive batch resume b-1`.",
        ),
        (status(state=BatchState.CANCELLED, health=None), None),
        (status(state=BatchState.FINISHED, health=None), None),
    ],
)
def test_what_keeps_a_batch_from_moving_is_said_with_what_to_do(found, says):
    assert trouble(found) == says


def test_only_a_batch_that_paused_itself_is_halted():
    assert is_halted(status(state=BatchState.PAUSED, reason="Key refused"))
    assert not is_halted(status(state=BatchState.PAUSED))
    assert not is_halted(status())


def test_what_cost_nothing_and_what_was_done_again_is_said():
    line = facts(status(state=BatchState.FINISHED, done=5, reused=2, begun_again=3, usd_nanos=10_000_000, unpriced=1))

    assert line == (
        "done 5  ·  of them from earlier batches, at no cost, 2  ·  0 tokens  ·  "
        "$0.01 + 1 document at an unknown price  ·  begun again 3"
    )

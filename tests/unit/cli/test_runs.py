"""The table of runs."""

from datetime import UTC, datetime, timedelta

import click
import pytest

from outlive.cli.runs import Age, Row, table
from outlive.contracts.agents import Question
from outlive.engine.run_health import RunHealth
from outlive.trace.bookkeeping import Spending

NOW = datetime(2026, 5, 3, tzinfo=UTC)


def row(**more: object) -> Row:
    given = {"workflow_status": "RUNNING", "state": "running", "started_at": NOW - timedelta(minutes=5)}
    return Row(health=RunHealth(workflow_id="agent/a/one", **(given | more)), spending=None)


@pytest.mark.parametrize(
    ("typed", "meant"), [("90s", timedelta(seconds=90)), ("2h", timedelta(hours=2)), ("3d", timedelta(days=3))]
)
def test_an_age_is_a_number_and_a_unit(typed, meant):
    assert Age().convert(typed, None, None) == meant


@pytest.mark.parametrize("typed", ["", "2", "h", "-2h", "2 years", "9999999d"])
def test_what_is_no_age_is_refused_with_an_example(typed):
    with pytest.raises(click.BadParameter, match="such as 2h or 3d"):
        Age().convert(typed, None, None)


def test_a_parked_run_says_below_its_row_what_to_do():
    question = Question(question_id="q1", reason="The tool 'pay' failed.", choices=["retry", "stop"], subject="pay")

    lines = table([row(state="parked", questions=[question])], NOW)

    assert lines[2].strip() == "The tool 'pay' failed. Decide: `outlive decide a/one retry|stop`."


def test_what_the_ledger_does_not_know_is_no_zero():
    lines = table([row()], NOW)

    assert lines[1].split() == ["a/one", "running", *lines[1].split()[2:4], "5", "min", "00", "s", "-", "-", "-", "-"]


def test_an_unknown_price_is_said():
    spent = Spending(model_calls=2, input_tokens=10, output_tokens=5, unpriced=2)

    lines = table([Row(health=row().health, spending=spent)], NOW)

    assert lines[1].endswith("15  2 calls at an unknown price")


def test_a_run_that_continued_as_new_began_with_its_first_call():
    began = NOW - timedelta(days=2)

    known = Row(health=row().health, spending=Spending(began_at=began.timestamp()))

    assert known.started_at == began

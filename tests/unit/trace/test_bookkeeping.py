"""What the ledger adds to traces and to the list of runs."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert

from outlive.ledger.ledger import Ledger
from outlive.ledger.schema import effects
from outlive.trace.bookkeeping import Spending, add_bookkeeping, spending
from outlive.trace.drafts import Drafts
from outlive.trace.model import ModelCall

BEGAN = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
async def ledger(where):
    async with Ledger(where) as opened:
        yield opened


def book(ledger: Ledger, at: datetime, *, workflow_id: str = "w", **more: object) -> None:
    """Write a call down as a worker would have."""
    facts = {"input_tokens": 10, "output_tokens": 2, "usd_nanos": 7} | more.pop("facts", {})
    row = {
        "effect_key": f"{workflow_id}-{at.timestamp()}-{more.get('kind')}",
        "workflow_id": workflow_id,
        "activity_id": "1",
        "kind": "model",
        "name": "model_request",
        "state": "done",
        "attempts": 1,
        "failures": 0,
        "facts": json.dumps(facts),
        "begun_at": at.timestamp(),
    }
    with ledger.engine.execution_options(outlive_writes=True).begin() as connection:
        connection.execute(insert(effects), [row | more])


def call(number: int, at: datetime) -> ModelCall:
    return ModelCall(
        id=str(number),
        kind="model_call",
        name="model_request",
        state="done",
        began_at=at,
        ended_at=at + timedelta(seconds=4),
        attempts=1,
        activity_id="1",
        activity_type="agent__a__model_request",
    )


async def test_calls_of_the_same_number_are_told_apart_by_their_times(ledger):
    drafts, later = Drafts(), BEGAN + timedelta(seconds=6)
    drafts.add(call(1, BEGAN))
    drafts.add(call(2, later))
    book(ledger, later + timedelta(seconds=1), facts={"usd_nanos": 2})
    book(ledger, BEGAN + timedelta(seconds=1), attempts=3, failures=1, error="Busy: come back", facts={"usd_nanos": 1})

    await add_bookkeeping(ledger, "w", drafts)

    first, second = drafts.all()
    assert (first.usd_nanos, first.attempts, first.failures, first.failure.message) == (1, 3, 1, "come back")
    assert (second.usd_nanos, second.attempts, second.failures, second.failure) == (2, 1, 0, None)
    assert first.seconds == second.seconds == pytest.approx(3)


async def test_what_was_booked_long_before_or_after_a_call_is_not_taken_for_it(ledger):
    drafts = Drafts()
    drafts.add(call(1, BEGAN))
    book(ledger, BEGAN - timedelta(minutes=1))
    book(ledger, BEGAN + timedelta(minutes=1))

    await add_bookkeeping(ledger, "w", drafts)

    assert drafts.all()[0].usd_nanos is None


async def test_an_unknown_price_is_counted_and_never_a_zero(ledger):
    book(ledger, BEGAN)
    book(ledger, BEGAN + timedelta(seconds=1), facts={"usd_nanos": None})
    book(ledger, BEGAN + timedelta(seconds=2), state="failed")
    book(ledger, BEGAN, kind="tool", facts={"usd_nanos": 99})
    book(ledger, BEGAN, workflow_id="other")

    found = await spending(ledger, ["w", "unknown"])

    assert found == {
        "w": Spending(
            model_calls=2,
            tool_calls=1,
            input_tokens=20,
            output_tokens=4,
            usd_nanos=7,
            unpriced=1,
            began_at=BEGAN.timestamp(),
        )
    }


async def test_more_runs_than_fit_one_statement_are_summed_up_too(ledger):
    ids = [f"w{number}" for number in range(1_200)]
    for workflow_id in (ids[0], ids[700], ids[-1]):
        book(ledger, BEGAN, workflow_id=workflow_id)

    assert set(await spending(ledger, ids)) == {ids[0], ids[700], ids[-1]}

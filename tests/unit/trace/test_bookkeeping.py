"""What the ledger adds to traces and to the list of runs."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert, update

from outlive.ledger.ledger import Ledger
from outlive.ledger.schema import effects
from outlive.trace.bookkeeping import Books, Spending, additions, spending
from outlive.trace.drafts import changed
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


def change(ledger: Ledger, at: datetime, **values: object) -> None:
    with ledger.engine.execution_options(outlive_writes=True).begin() as connection:
        connection.execute(update(effects).where(effects.c.begun_at == at.timestamp()).values(**values))


async def with_books(books: Books, *calls: ModelCall) -> list[ModelCall]:
    """Calls as they are with what the ledger knows of them."""
    await books.read()
    return [changed(one, **(additions(one, booked) if (booked := books.of(one)) else {})) for one in calls]


async def test_calls_of_the_same_number_are_told_apart_by_their_times(ledger):
    later = BEGAN + timedelta(seconds=6)
    book(ledger, later + timedelta(seconds=1), facts={"usd_nanos": 2})
    book(ledger, BEGAN + timedelta(seconds=1), attempts=3, failures=1, error="Busy: come back", facts={"usd_nanos": 1})

    first, second = await with_books(Books(ledger, "w"), call(1, BEGAN), call(2, later))

    assert (first.usd_nanos, first.attempts, first.failures, first.failure.message) == (1, 3, 1, "come back")
    assert (second.usd_nanos, second.attempts, second.failures, second.failure) == (2, 1, 0, None)
    assert first.seconds == second.seconds == pytest.approx(3)


async def test_what_was_booked_long_before_or_after_a_call_is_not_taken_for_it(ledger):
    book(ledger, BEGAN - timedelta(minutes=1))
    book(ledger, BEGAN + timedelta(minutes=1))

    (alone,) = await with_books(Books(ledger, "w"), call(1, BEGAN))

    assert alone.usd_nanos is None


async def test_what_is_booked_later_is_told_of_and_nothing_else_is_read_again(ledger):
    books, later = Books(ledger, "w"), BEGAN + timedelta(hours=1)
    book(ledger, BEGAN, ended_at=BEGAN.timestamp() + 1)
    open_call = replace(call(2, later), state="running", ended_at=None)
    await with_books(books, call(1, BEGAN), open_call)

    book(ledger, later, state="begun", facts={"usd_nanos": None})
    begun = await books.read()
    first = books.of(open_call)
    change(ledger, later, state="done", ended_at=later.timestamp() + 1, facts='{"usd_nanos": 7}')
    ended = await books.read()
    change(ledger, BEGAN, attempts=9)  # of what ended long ago nothing changes, but by a person
    again = await books.read()
    change(ledger, BEGAN, settled="{}")
    settled = await books.read()

    assert (begun, first.state) == (["2"], "begun")
    assert (ended, books.of(open_call).facts) == (["2"], {"usd_nanos": 7})
    assert (again, settled) == ([], ["1"])


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

"""What workers take ahead of a rate follows on one another, whoever takes it."""

import time

import pytest

from outlive.ledger.ledger import Ledger


@pytest.fixture
async def ledger(where):
    async with Ledger(where) as ledger:
        yield ledger


async def test_units_follow_on_those_that_others_have_taken(ledger):
    first = await ledger.call(ledger.rates.take, "requests/m", 100, 1.0)
    second = await ledger.call(ledger.rates.take, "requests/m", 1, 1.0)
    other = await ledger.call(ledger.rates.take, "requests/n", 1, 1.0)

    assert first == pytest.approx(-1.0, abs=0.1)  # the credit after a pause
    assert 90 < second <= 99
    assert other < 0


async def test_units_given_back_may_be_taken_again(ledger):
    await ledger.call(ledger.rates.take, "requests/m", 100, 1.0)
    await ledger.call(ledger.rates.give_back, "requests/m", 60, 1.0)

    assert 30 < await ledger.call(ledger.rates.take, "requests/m", 1, 1.0) <= 39


async def test_a_hold_lets_nothing_come_free_earlier_and_takes_nothing_away(ledger):
    await ledger.call(ledger.rates.take, "requests/m", 1, 1.0)
    await ledger.call(ledger.rates.hold, "requests/m", 50)
    await ledger.call(ledger.rates.hold, "requests/m", 20)

    assert 40 < await ledger.call(ledger.rates.take, "requests/m", 1, 1.0) <= 50


async def test_the_databases_clock_counts(ledger, monkeypatch):
    await ledger.call(ledger.rates.take, "requests/m", 100, 1.0)
    before = time.time
    if "postgresql" in ledger.name:
        monkeypatch.setattr(time, "time", lambda: before() + 3_600)

    assert await ledger.call(ledger.rates.take, "requests/m", 1, 1.0) > 90


async def test_a_ledger_that_can_be_read_says_so(ledger):
    assert await ledger.call(ledger.rates.answers)

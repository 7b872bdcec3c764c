"""Hand-offs and rules, as the ledger keeps them."""

from dataclasses import replace

import pytest

from outlive.errors import UsageError
from outlive.ledger.approval_rules import Condition
from outlive.ledger.hand_offs import HandOffRecord, HandOffState

OPENED = HandOffRecord(
    workflow_id="agent/a/1",
    hand_off_id="q-1",
    agent="a",
    kind="approval",
    subject="pay",
    reason="May it?",
    choices=["approve", "deny"],
    about=b"about",
    state=HandOffState.OPEN,
    opened_at=10.0,
)
DECIDED = replace(
    OPENED,
    state=HandOffState.DECIDED,
    choice="approve",
    decided_by="ada",
    decided_at=20.0,
    decision_id="d",
    note="",
)


async def test_written_twice_it_is_one_and_reminded_of_twice_at_one_moment_once(ledger):
    book = ledger.hand_offs
    for _ in range(2):
        await ledger.call(book.open, OPENED)
        await ledger.call(book.remind, "agent/a/1", "q-1", at=15.0)
    await ledger.call(book.remind, "agent/a/1", "q-1", at=16.0)
    (found,) = await ledger.call(book.listed)

    assert found == replace(OPENED, reminders=2, reminded_at=16.0)


async def test_the_first_decision_stays_and_one_overrules_what_was_only_supposed(ledger):
    book = ledger.hand_offs
    await ledger.call(book.open, OPENED)
    await ledger.call(book.void, "agent/a/1", "q-1")
    await ledger.call(book.close, DECIDED)
    await ledger.call(book.close, replace(DECIDED, choice="deny", decided_by="bob"))
    await ledger.call(book.void, "agent/a/1", "q-1")
    (found,) = await ledger.call(book.find, "q-1")

    assert found == DECIDED
    assert await ledger.call(book.listed) == []
    assert await ledger.call(book.listed, state=None, kind="approval", agent="a") == [DECIDED]


async def test_opened_again_after_a_crash_a_decided_one_stays_decided(ledger):
    book = ledger.hand_offs
    await ledger.call(book.open, OPENED)
    await ledger.call(book.close, DECIDED)
    await ledger.call(book.open, OPENED)

    assert await ledger.call(book.find, "q-1") == [DECIDED]


async def test_a_link_is_used_once(ledger):
    assert [await ledger.call(ledger.hand_offs.use_link, "x") for _ in range(3)] == [True, False, False]


@pytest.mark.parametrize(
    ("text", "args", "holds"),
    [
        ("amount<=100", {"amount": 100}, True),
        ("amount<=100", {"amount": "99.90"}, True),
        ("amount<=100", {"amount": 100.01}, False),
        ("amount<=100", {"amount": "NaN"}, False),
        ("amount<=100", {"amount": True}, False),
        ("amount<=100", {"amount": None}, False),
        ("amount<=100", {}, False),
        ("amount>=0.1", {"amount": "0.1"}, True),
        ("order.amount <= 5", {"order": {"amount": 5}}, True),
        ("order.amount <= 5", {"order": 5}, False),
        ("currency=EUR", {"currency": "EUR"}, True),
        ("currency=EUR", {"currency": "eur"}, False),
        ("urgent=true", {"urgent": True}, True),
        ("urgent=true", {"urgent": 1}, False),
        ("order=4711", {"order": "4711"}, True),
        ('country in ["DE", "FR"]', {"country": "FR"}, True),
        ('country in ["DE", "FR"]', {"country": "US"}, False),
        ("count in [1, 2]", {"count": 2}, True),
    ],
)
def test_a_condition_holds_for_what_it_says_and_for_nothing_else(text: str, args: dict, holds: bool):
    assert Condition.read(text).holds(args) is holds


@pytest.mark.parametrize("text", ["amount", "amount<=", "<=3", "amount<=much", "to in ada", "to in 3", ""])
def test_what_is_no_condition_is_refused(text: str):
    with pytest.raises(UsageError):
        Condition.read(text)


async def test_the_same_rule_made_again_is_one_and_a_revoked_one_covers_nothing(ledger):
    rules, when = ledger.approval_rules, [Condition.read("amount<=5")]
    first = await ledger.call(rules.make, agent="a", tool="pay", conditions=when, by="ada")
    again = await ledger.call(rules.make, agent="a", tool="pay", conditions=when, by="bob")
    covered = await ledger.call(rules.covering, "a", "pay", {"amount": 5})
    others = [
        await ledger.call(rules.covering, "a", "pay", {"amount": 6}),
        await ledger.call(rules.covering, "b", "pay", {"amount": 5}),
        await ledger.call(rules.covering, "a", "refund", {"amount": 5}),
    ]
    revoked = [await ledger.call(rules.revoke, first.number, by="eve") for _ in range(2)]

    assert again.number == first.number
    assert covered is not None
    assert covered.name == "rule 1 of ada"
    assert others == [None, None, None]
    assert revoked == [True, False]
    assert await ledger.call(rules.covering, "a", "pay", {"amount": 5}) is None

"""What pays for the calls of a batch, on a real ledger."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from outlive.activities.paying import BatchPayer
from outlive.contracts.batches import BatchSpec
from outlive.contracts.budgets import Budget
from outlive.errors import BudgetExhausted, LedgerError
from outlive.ledger.ledger import Ledger
from outlive.ledger.records import NewDocument
from outlive.models.answers import Answer, Request
from outlive.models.prices import Ceiling
from outlive.money.purse import Purse

REQUEST = Request(model="openai:m", text="x" * 100, idempotency_key="b/0/1")


def price(tokens: int) -> Ceiling:
    return Ceiling(base=tokens, output=10)


@pytest.fixture
async def ledger(tmp_path: Path) -> AsyncIterator[Ledger]:
    async with Ledger(tmp_path / "ledger.db") as ledger:
        spec = BatchSpec(batch_id="b", function="f", model="openai:m", recipe="r")
        ledger.batches.create(spec)
        ledger.batches.add_documents("b", [NewDocument(uri="u")])
        ledger.batches.seal("b")
        yield ledger


async def payer(ledger: Ledger, purse: Purse | None = None) -> BatchPayer:
    spec = BatchSpec(batch_id="b", function="f", model="openai:m")
    purse = purse or Purse(ledger, app="a", longest_call=600.0)
    return BatchPayer(purse, await ledger.window("b"), spec, output_tokens=2_000)


async def test_without_a_budget_nothing_limits_an_answer_and_its_cost_is_counted(ledger: Ledger):
    paying = await payer(ledger)
    paid = await paying.reserve(REQUEST, price)
    await paying.settle(paid, Answer(text="y", input_tokens=5, output_tokens=5, usd_nanos=9, model="openai:m"))
    await ledger._writer.aclose()
    (row,) = ledger.spending.totals("batch")

    assert paid.output_tokens is None
    assert (row.group, row.usd_nanos) == ("b", 9)


async def test_an_answer_that_was_lowered_and_cut_short_is_paid_for_and_asks_for_more(ledger: Ledger):
    ledger.budgets.set_caps("batch/b", Budget(usd="0.000016"), by="ada")
    paying = await payer(ledger)
    paid = await paying.reserve(REQUEST, price)
    assert paid.output_tokens == (16_000 - 700) // 10

    cut = Answer(text="y", input_tokens=5, output_tokens=5, usd_nanos=9, model="openai:m", finish_reason="length")
    with pytest.raises(BudgetExhausted, match="does not pay for the next call"):
        await paying.settle(paid, cut)

    record = ledger.budgets.get("batch/b")
    assert (record.spent["usd_nanos"], record.held["calls"], record.doubtful["calls"]) == (9, 0, 0)


class Troubled(Purse):
    """A purse whose ledger takes nothing twice."""

    troubles = 2

    async def reserve(self, need):
        if self.troubles:
            self.troubles -= 1
            raise LedgerError("The disk is full.")
        return await super().reserve(need)


async def test_a_ledger_that_takes_nothing_is_waited_for(ledger: Ledger, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("outlive.activities.paying.FIRST_PAUSE_SECONDS", 0.0)
    ledger.budgets.set_caps("batch/b", Budget(calls=1), by="ada")
    purse = Troubled(ledger, app="a", longest_call=600.0)

    await (await payer(ledger, purse)).reserve(REQUEST, price)

    assert purse.troubles == 0
    assert ledger.budgets.get("batch/b").held["calls"] == 1

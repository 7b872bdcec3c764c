from decimal import Decimal

import pytest

from outlive.contracts.budgets import Budget
from outlive.errors import BudgetError


@pytest.mark.parametrize(
    ("text", "budget"),
    [
        ("0.50usd", Budget(usd="0.50")),
        ("25USD, 100calls", Budget(usd="25", calls=100)),
        ("200_000tokens", Budget(tokens=200_000)),
    ],
)
def test_amounts_are_read_as_people_write_them(text: str, budget: Budget):
    assert Budget.parse(text) == budget


@pytest.mark.parametrize(
    "text",
    ["", "1", "1eur", "1usd,2usd", "1.5calls", "-1usd", "usd", "0.0000000001usd", "9223372037usd", f"{2**62 + 1}calls"],
)
def test_what_is_no_amount_is_refused(text: str):
    with pytest.raises(BudgetError):
        Budget.parse(text)


def test_dollars_are_exact():
    assert Budget(usd="0.1").usd_nanos == Budget(usd=Decimal("0.10")).usd_nanos == 100_000_000
    with pytest.raises(BudgetError, match=r"Write usd='0\.1'"):
        Budget(usd=0.1)  # type: ignore[arg-type]


def test_a_budget_has_a_limit_and_knows_what_to_do_with_unknown_prices():
    with pytest.raises(BudgetError, match="no limit"):
        Budget()
    with pytest.raises(BudgetError, match="ask, count_as_zero"):
        Budget(usd=1, unknown_prices="zero")

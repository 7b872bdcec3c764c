"""What may be spent, and on whose account: budgets as they are declared, and as they cross the wire."""

import re
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from enum import StrEnum

from outlive.errors import BudgetError

NANOS_PER_USD = 1_000_000_000
MOST = 2**62  # of anything: what is spent and held beside it still fits into the ledger's 64 bits
PARTS = re.compile(r"[,\s]+")
AMOUNT = re.compile(r"(?P<number>[0-9][0-9_]*(?:\.[0-9]+)?)(?P<unit>usd|tokens|calls)")
HOW = "Write amounts as `0.50usd`, `200000tokens`, `100calls`, or several with a comma between them."


class UnknownPrices(StrEnum):
    """What a budget in dollars does with a call whose price nobody knows.

    Attributes:
        ASK: Let the run wait for a person.
        COUNT_AS_ZERO: Make the call; it counts as no money, and the spending says how many such calls there were.
    """

    ASK = "ask"
    COUNT_AS_ZERO = "count_as_zero"


@dataclass(frozen=True, kw_only=True)
class Budget:
    """The most that may be spent: ``Budget(usd="0.50", tokens=200_000, calls=40)``. What is left out has no limit.

    Attributes:
        usd: Dollars, as text, integer or ``Decimal``: a float is not exact, and is refused.
        tokens: Input and output together.
        calls: Of models.
        unknown_prices: What a limit in dollars does with a call whose price nobody knows: ``ask`` or
            ``count_as_zero``.

    Raises:
        BudgetError: If an amount cannot be used, or there is none.
    """

    usd: Decimal | str | int | None = None
    tokens: int | None = None
    calls: int | None = None
    unknown_prices: str = UnknownPrices.ASK

    def __post_init__(self) -> None:
        if self.usd is None and self.tokens is None and self.calls is None:
            raise BudgetError(f"The budget has no limit. {HOW}")
        if self.unknown_prices not in set(UnknownPrices):
            valid = ", ".join(UnknownPrices)
            raise BudgetError(f"unknown_prices is {self.unknown_prices!r}. It takes: {valid}.")
        _ = self.usd_nanos
        for name, amount in (("tokens", self.tokens), ("calls", self.calls)):
            if amount is not None and (isinstance(amount, float) or amount < 0):
                raise BudgetError(f"{name} of a budget is {amount!r}. It must be a whole number, 0 or more.")
            if amount is not None and amount > MOST:
                raise BudgetError(f"{name} of a budget is {amount:,}. It may be {MOST:,} at most.")

    @property
    def usd_nanos(self) -> int | None:
        """The dollars in billionths; None without a limit."""
        if self.usd is None:
            return None
        if isinstance(self.usd, float):
            raise BudgetError(f"usd of a budget is the float {self.usd!r}, which is not exact. Write usd='{self.usd}'.")
        try:
            nanos = Decimal(self.usd) * NANOS_PER_USD
        except InvalidOperation as error:
            raise BudgetError(f"usd of a budget is {self.usd!r}, which is no number. {HOW}") from error
        if not nanos.is_finite() or nanos < 0 or nanos != nanos.to_integral_value():
            raise BudgetError(f"usd of a budget is {self.usd!r}. It must be 0 or more, with at most 9 decimals.")
        if nanos > MOST:
            raise BudgetError(f"usd of a budget is {self.usd}. It may be {MOST // NANOS_PER_USD:,} at most.")
        return int(nanos)

    @classmethod
    def parse(cls, text: str, *, unknown_prices: str = UnknownPrices.ASK) -> "Budget":
        """Read what a person types: ``0.50usd``, ``25usd,100calls``.

        Raises:
            BudgetError: If it cannot be read.
        """
        amounts: dict[str, str] = {}
        for part in PARTS.split(text.strip().lower()):
            found = AMOUNT.fullmatch(part)
            if found is None or found["unit"] in amounts:
                raise BudgetError(f"{text!r} is no budget. {HOW}")
            amounts[found["unit"]] = found["number"].replace("_", "")
        try:
            tokens, calls = (int(amounts[name]) if name in amounts else None for name in ("tokens", "calls"))
        except ValueError as error:
            raise BudgetError(f"{text!r} is no budget: tokens and calls are whole numbers. {HOW}") from error
        return cls(usd=amounts.get("usd"), tokens=tokens, calls=calls, unknown_prices=unknown_prices)

    def scope(self, key: str) -> "BudgetScope":
        """Return this budget as the one of a key."""
        return BudgetScope(
            key=key,
            usd_nanos=self.usd_nanos,
            tokens=self.tokens,
            calls=self.calls,
            unknown_prices=str(self.unknown_prices),
        )


@dataclass(frozen=True, kw_only=True)
class BudgetScope:
    """A budget that calls count against, with the caps that it begins with.

    Attributes:
        key: ``agent/NAME/ID`` of a run or conversation, ``batch/ID``, ``app/NAME`` or ``tenant/NAME``.
        usd_nanos: Billionths of a dollar; None without a limit.
    """

    key: str
    usd_nanos: int | None = None
    tokens: int | None = None
    calls: int | None = None
    unknown_prices: str = "ask"

    @property
    def has_caps(self) -> bool:
        """Whether caps are said here, rather than left to the ledger."""
        return not (self.usd_nanos is None and self.tokens is None and self.calls is None)

    def under(self, key: str) -> "BudgetScope":
        """Return the same caps under another key."""
        return replace(self, key=key)


@dataclass(frozen=True, kw_only=True)
class BudgetRaise:
    """A decision of a person about a budget, for the ledger.

    Attributes:
        amounts: As `Budget.parse` reads them: the new caps.
        by: Who decided, as they call themselves.
    """

    key: str
    amounts: str
    by: str = ""


@dataclass(frozen=True, kw_only=True)
class BudgetNews:
    """Word to a waiting workflow that a budget was changed.

    Attributes:
        version: Counts the changes of the budget.
    """

    key: str
    version: int


def tenant_key(tenant: str) -> str:
    """Return the key of a tenant's budget."""
    return f"tenant/{tenant}"


def app_key(app: str) -> str:
    """Return the key of an app's budget."""
    return f"app/{app}"

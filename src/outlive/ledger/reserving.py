"""Whether budgets pay for a call: what it may come to at most, beside what is spent and what is in flight."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import RowMapping

from outlive.contracts.budgets import BudgetScope, UnknownPrices

AMOUNTS = ("usd_nanos", "tokens", "calls")
NOTHING: Mapping[str, int] = dict.fromkeys(AMOUNTS, 0)


@dataclass(frozen=True, kw_only=True)
class Need:
    """What a call may come to at most.

    Attributes:
        hold_id: Names the reservation: another one for each attempt.
        effect_key: The call, the same on every attempt.
        scopes: Budgets that pay for it; those without caps count where the ledger has them.
        owner: The worker process.
        input_tokens: An upper bound.
        output_tokens: That the call is wanted to be free to give.
        least_output_tokens: With fewer the call is not worth making.
        base_usd_nanos: Price of the input; None where the price is not known.
        output_usd_nanos: Price of one token of output.
        lifted_by: Who has decided that this call is made though a budget does not pay for it: its caps are lifted by
            what is lacking. Empty where nobody has.
    """

    hold_id: str
    effect_key: str
    workflow_id: str
    scopes: Sequence[BudgetScope]
    owner: str = ""
    input_tokens: int
    output_tokens: int
    least_output_tokens: int
    base_usd_nanos: int | None
    output_usd_nanos: int = 0
    lifted_by: str = ""

    @property
    def keys(self) -> list[str]:
        """The budgets in the order in which they are locked."""
        return sorted({scope.key for scope in self.scopes})

    def amounts(self, output_tokens: int) -> dict[str, int]:
        """Return what is reserved for a call that may give so much."""
        price = 0 if self.base_usd_nanos is None else self.base_usd_nanos + output_tokens * self.output_usd_nanos
        return {"usd_nanos": price, "tokens": self.input_tokens + output_tokens, "calls": 1}


@dataclass(frozen=True, kw_only=True)
class Hold:
    """A reservation.

    Attributes:
        output_tokens: The most that the call may give.
        is_lowered: Whether that is less than it was wanted to be free to give.
        budgets: Keys of the budgets that pay; none where there is no budget, and so no reservation.
        limits_output: Whether one of them limits dollars or tokens, so that the call must be told how much it may give.
    """

    hold_id: str
    output_tokens: int
    is_lowered: bool = False
    limits_output: bool = False
    budgets: Sequence[str] = ()
    amounts: Mapping[str, int] = field(default_factory=lambda: NOTHING)


@dataclass(frozen=True, kw_only=True)
class Busy:
    """Calls in flight may come to so much that this one has to wait for their end."""


@dataclass(frozen=True, kw_only=True)
class Refused:
    """A budget does not pay.

    Attributes:
        budget: The row of the budget, as it was.
        lacks: Which cap is in the way: ``usd_nanos``, ``tokens``, ``calls``, or ``price`` where none is known.
    """

    budget: Mapping[str, Any]
    lacks: str


Verdict = Hold | Busy | Refused


def judge(need: Need, rows: Sequence[RowMapping], stale: Mapping[str, Mapping[str, int]]) -> Verdict:
    """Decide about a call.

    Args:
        rows: The budgets that pay for it.
        stale: By key, what is held for calls that can no longer be in flight: it is not waited for.
    """
    for row in rows:
        if is_unpriced(need, row):
            return Refused(budget=dict(row), lacks="price")
    now = min((_output(need, row, {name: row[f"held_{name}"] for name in AMOUNTS}) for row in rows), default=math.inf)
    later = min((_output(need, row, stale.get(row["key"], NOTHING)) for row in rows), default=math.inf)
    if now >= need.output_tokens:
        return _hold(need, need.output_tokens, rows)
    if later >= need.output_tokens:
        return Busy()
    if now >= need.least_output_tokens:
        return _hold(need, int(now), rows)
    if later >= need.least_output_tokens:
        return Busy()
    tightest = min(rows, key=lambda row: _output(need, row, stale.get(row["key"], NOTHING)))
    return Refused(budget=dict(tightest), lacks=_lacking(need, tightest, stale.get(tightest["key"], NOTHING)))


def lifted(need: Need, row: RowMapping) -> dict[str, int]:
    """Return the caps of a budget that would pay for the least that a call needs; only those that have to change."""
    wanted = need.amounts(need.least_output_tokens)
    sums = {name: taken(row, name) + row[f"held_{name}"] + wanted[name] for name in AMOUNTS}
    return {name: sums[name] for name in AMOUNTS if row[name] is not None and sums[name] > row[name]}


def is_unpriced(need: Need, row: RowMapping | Mapping[str, Any]) -> bool:
    """Whether a budget in dollars cannot tell what a call may come to, and does not take that for nothing."""
    return need.base_usd_nanos is None and row["usd_nanos"] is not None and row["unknown_prices"] == UnknownPrices.ASK


def taken(row: RowMapping | Mapping[str, Any], name: str) -> int:
    """Return how much of a budget is gone: spent, or maybe spent."""
    return int(row[f"spent_{name}"] + row[f"doubtful_{name}"])


def stale_by_budget(found: Iterable[tuple[Sequence[str], Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    """Return the sums of reservations by budget."""
    sums: dict[str, dict[str, int]] = {}
    for keys, amounts in found:
        for key in keys:
            of_key = sums.setdefault(key, dict(NOTHING))
            for name in AMOUNTS:
                of_key[name] += amounts[name]
    return sums


def _hold(need: Need, output_tokens: int, rows: Sequence[RowMapping]) -> Hold:
    return Hold(
        hold_id=need.hold_id,
        output_tokens=output_tokens,
        is_lowered=output_tokens < need.output_tokens,
        limits_output=any(row["usd_nanos"] is not None or row["tokens"] is not None for row in rows),
        budgets=tuple(row["key"] for row in rows),
        amounts=need.amounts(output_tokens),
    )


def _outputs(need: Need, row: RowMapping | Mapping[str, Any], held: Mapping[str, int]) -> dict[str, float]:
    """Return by cap how many tokens of output it pays for, if any; below 0 where it does not even pay for the input."""
    rooms = {name: math.inf if row[name] is None else row[name] - taken(row, name) - held[name] for name in AMOUNTS}
    outputs = {"tokens": rooms["tokens"] - need.input_tokens, "calls": math.inf if rooms["calls"] >= 1 else -1}
    left = rooms["usd_nanos"] - (need.base_usd_nanos or 0)
    rate = need.output_usd_nanos if need.base_usd_nanos is not None else 0
    outputs["usd_nanos"] = -1 if left < 0 else left // rate if rate and left != math.inf else math.inf
    return outputs


def _output(need: Need, row: RowMapping | Mapping[str, Any], held: Mapping[str, int]) -> float:
    return min(_outputs(need, row, held).values())


def _lacking(need: Need, row: RowMapping | Mapping[str, Any], held: Mapping[str, int]) -> str:
    outputs = _outputs(need, row, held)
    return min(AMOUNTS, key=lambda name: outputs[name])

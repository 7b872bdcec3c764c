"""A budget as the ledger hands it out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import RowMapping

from outlive.ledger.reserving import AMOUNTS

HELD, DOUBTFUL = "held", "doubtful"


@dataclass(frozen=True, kw_only=True)
class BudgetRecord:
    """A budget as the ledger has it; dollars in billionths.

    Attributes:
        caps: By name of the amount; None where there is none.
        spent: What completed calls came to.
        held: What calls in flight may come to.
        doubtful: What calls may have come to whose answer was never known: they count as if they had.
        unpriced_calls: Of those spent, calls whose price nobody knows.
        version: Counts the changes of the caps.
        waiting: How many workflows wait for it to be raised.
        waiting_runs: Their workflow ids.
    """

    key: str
    caps: Mapping[str, int | None]
    spent: Mapping[str, int]
    held: Mapping[str, int]
    doubtful: Mapping[str, int]
    unpriced_calls: int
    unknown_prices: str
    version: int
    waiting: int = 0
    waiting_runs: Sequence[str] = ()

    @property
    def is_exhausted(self) -> bool:
        """Whether a cap is reached, by what is in flight too, or somebody waits for a higher one."""
        taken = {name: self.spent[name] + self.held[name] + self.doubtful[name] for name in AMOUNTS}
        return bool(self.waiting) or any(cap is not None and taken[name] >= cap for name, cap in self.caps.items())


def budget_record(row: RowMapping, waiting: Sequence[str]) -> BudgetRecord:
    """Return what a row of the table and the workflows that wait for it say."""
    return BudgetRecord(
        key=row["key"],
        caps={name: row[name] for name in AMOUNTS},
        **{kind: {name: row[f"{kind}_{name}"] for name in AMOUNTS} for kind in ("spent", HELD, DOUBTFUL)},
        unpriced_calls=row["unpriced_calls"],
        unknown_prices=row["unknown_prices"],
        version=row["version"],
        waiting=len(waiting),
        waiting_runs=waiting,
    )

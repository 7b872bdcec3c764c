"""What was spent and what may be, as the pages show it. Dollars are in billionths."""

from typing import Literal

from pydantic import Field

from outlive.api.views import View
from outlive.ledger.budget_records import BudgetRecord
from outlive.ledger.spending import SUMS, SpendingRow

Group = Literal["agent", "batch", "model", "tenant", "day"]


class SpentView(View):
    """What calls of models came to."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd_nanos: int = Field(default=0, description="Of calls whose price is known.")
    unpriced_calls: int = Field(default=0, description="Calls whose price nobody knows.")

    @classmethod
    def sum_of(cls, rows: list[SpendingRow]) -> "SpentView":
        """Return the sum of rows."""
        return cls(**{name: sum(getattr(row, name) for row in rows) for name in SUMS})


class SpentRow(SpentView):
    """What calls came to that have something in common."""

    group: str = Field(description="Agent, batch, model, tenant or day; empty for calls that have none.")


class MoneyView(View):
    """What was spent."""

    by: Group
    since: str = Field(description="First day that counts, in UTC; empty for all.")
    rows: list[SpentRow] = Field(description="The dearest first; days in their order.")
    total: SpentView = Field(description="Of these rows: by agent, calls of batches are not among them.")


class BudgetView(View):
    """What may be spent, what is, and what calls in flight may come to. A cap that is null does not limit."""

    key: str = Field(description="agent/NAME/ID of a run, batch/ID, app/NAME or tenant/NAME.")
    usd_nanos: int | None = None
    tokens: int | None = None
    calls: int | None = None
    spent_usd_nanos: int
    spent_tokens: int
    spent_calls: int
    held_usd_nanos: int = Field(description="What calls in flight may come to.")
    held_tokens: int
    held_calls: int
    doubtful_usd_nanos: int = Field(description="Of calls that may have been billed and were never answered.")
    doubtful_tokens: int
    doubtful_calls: int
    waiting: list[str] = Field(description="Workflow ids of what waits for it to be raised.")
    state: Literal["open", "exhausted"]

    @classmethod
    def of(cls, record: BudgetRecord) -> "BudgetView":
        """Return the view of a budget."""
        sums = {"spent": record.spent, "held": record.held, "doubtful": record.doubtful}
        return cls(
            key=record.key,
            usd_nanos=record.caps["usd_nanos"],
            tokens=record.caps["tokens"],
            calls=record.caps["calls"],
            **{f"{kind}_{name}": amount for kind, amounts in sums.items() for name, amount in amounts.items()},
            waiting=list(record.waiting_runs),
            state="exhausted" if record.is_exhausted else "open",
        )

"""What was spent, by day: totals that outlive the calls that they are made of."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Engine, func, select

from outlive.errors import UsageError
from outlive.ledger.budgets import settle
from outlive.ledger.dialects import total
from outlive.ledger.schema import spending
from outlive.ledger.upserts import insert_or_add

SUMS = ("calls", "input_tokens", "output_tokens", "usd_nanos", "unpriced_calls")
GROUPS = ("agent", "batch", "model", "day", "tenant")


@dataclass(frozen=True, kw_only=True)
class Spent:
    """What one completed call came to.

    Attributes:
        subject: ``agent/NAME`` or ``batch/ID``.
        usd_nanos: Billionths of a dollar; None where the price is not known.
        hold_id: The reservation that it was made under; empty where there was none.
    """

    subject: str
    model: str
    input_tokens: int
    output_tokens: int
    usd_nanos: int | None
    tenant: str = ""
    hold_id: str = ""


@dataclass(frozen=True, kw_only=True)
class SpendingRow:
    """A sum over calls.

    Attributes:
        group: What they have in common.
        usd_nanos: Of those whose price is known.
        unpriced_calls: Those whose price is not.
    """

    group: str
    calls: int
    input_tokens: int
    output_tokens: int
    usd_nanos: int
    unpriced_calls: int


def first_day(since: str | None) -> str:
    """Return the first day that counts, as `Spending.totals` takes it.

    Args:
        since: A day, ``2026-11-01``, or ``7d`` for the last seven days, in UTC; None or empty for all.

    Raises:
        UsageError: If it is anything else.
    """
    if not since:
        return ""
    try:
        if since.endswith("d"):
            return (datetime.now(tz=UTC).date() - timedelta(days=int(since[:-1]) - 1)).isoformat()
        return datetime.fromisoformat(since).date().isoformat()
    except (ValueError, OverflowError) as error:
        raise UsageError(f"The first day is {since!r}. Write a day such as 2026-11-01, or 7d.") from error


def record_spent(connection: Connection, calls: Sequence[Spent]) -> None:
    """Count completed calls into the totals, and settle their reservations, in the transaction that is open."""
    sums: dict[tuple[str, str, str], list[int]] = {}
    for call in calls:
        if call.hold_id:
            amounts = {"usd_nanos": call.usd_nanos or 0, "tokens": call.input_tokens + call.output_tokens, "calls": 1}
            settle(connection, call.hold_id, amounts, is_priced=call.usd_nanos is not None)
        of_key = sums.setdefault((call.subject, call.model, call.tenant), [0] * len(SUMS))
        values = (1, call.input_tokens, call.output_tokens, call.usd_nanos or 0, int(call.usd_nanos is None))
        for place, value in enumerate(values):
            of_key[place] += value
    day = datetime.fromtimestamp(time.time(), tz=UTC).date().isoformat()
    for (subject, model, tenant), totals in sorted(sums.items()):
        row = {"day": day, "subject": subject, "model": model, "tenant": tenant, **dict(zip(SUMS, totals, strict=True))}
        insert_or_add(connection, spending, row, SUMS)


class Spending:
    """Reads and writes of totals, to be run through `Ledger.call`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(outlive_writes=True)

    def record(self, calls: Sequence[Spent]) -> None:
        """Count completed calls, and settle their reservations, in one transaction."""
        with self._writing.begin() as connection:
            record_spent(connection, calls)

    def count_calls(self) -> int:
        """Return how many calls were ever counted."""
        with self._engine.connect() as connection:
            return connection.execute(select(total(spending.c.calls))).scalar_one()

    def totals(self, by: str, *, since: str = "") -> list[SpendingRow]:
        """Return sums, the dearest first.

        Args:
            by: One of `GROUPS`.
            since: The first day that counts, ``2026-11-25``; empty counts all.
        """
        column = spending.c.subject if by in {"agent", "batch"} else spending.c[by]
        query = select(column, *(func.sum(spending.c[name]) for name in SUMS)).group_by(column)
        if by in {"agent", "batch"}:
            query = query.where(column.startswith(f"{by}/", autoescape=True))
        if since:
            query = query.where(spending.c.day >= since)
        with self._engine.connect() as connection:
            rows = [
                SpendingRow(
                    group=group.partition("/")[2] if by in {"agent", "batch"} else group,
                    **{name: int(value) for name, value in zip(SUMS, sums, strict=True)},
                )
                for group, *sums in connection.execute(query)
            ]
        if by == "day":
            return sorted(rows, key=lambda row: row.group)
        return sorted(rows, key=lambda row: (-row.usd_nanos, -row.calls, row.group))

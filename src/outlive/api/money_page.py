"""What was spent and what may be: the page and its JSON twin."""

from collections.abc import Sequence
from typing import get_args
from urllib.parse import parse_qs

from outlive.api.views_money import BudgetView, Group, MoneyView, SpentRow, SpentView
from outlive.client import Client
from outlive.errors import UsageError
from outlive.ledger.spending import first_day


async def read_spent(client: Client, by: Group = "model", since: str | None = None) -> MoneyView:
    """Return what was spent, summed up.

    Raises:
        UsageError: If the first day is none.
    """
    first = first_day(since)
    rows = await client.ledger.call(client.ledger.spending.totals, by, since=first)
    return MoneyView(
        by=by, since=first, rows=[SpentRow.model_validate(row) for row in rows], total=SpentView.sum_of(rows)
    )


async def read_money(client: Client, argument: str = "") -> MoneyView:
    """Return what was spent, as `GET /v1/money` does with the query that the argument is: ``by=agent&since=7d``.

    Raises:
        UsageError: If it asks for anything else.
    """
    query = {name: values[-1] for name, values in parse_qs(argument).items()}
    by: Group | None = next((group for group in get_args(Group) if group == query.get("by", "model")), None)
    if unknown := sorted(set(query) - {"by", "since"}):
        raise UsageError(f"The topic 'money' has no filter {unknown[0]!r}. It takes by and since.")
    if by is None:
        raise UsageError(f"Money is not summed up by {query['by']!r}. It is by {', '.join(get_args(Group))}.")
    return await read_spent(client, by, query.get("since"))


async def read_budgets(client: Client, _: str = "") -> Sequence[BudgetView]:
    """Return the budgets, by key."""
    return [BudgetView.of(record) for record in await client.ledger.call(client.ledger.budgets.find)]

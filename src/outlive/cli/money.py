"""``outlive budget`` and ``outlive spend``: what may be spent, and what was."""

import asyncio
import getpass
import json
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, TypeVar

import click

from outlive.cli.terminal import printable
from outlive.contracts.budgets import Budget, UnknownPrices
from outlive.errors import UsageError

if TYPE_CHECKING:
    from rich.table import Table

    from outlive.ledger.budget_records import BudgetRecord
    from outlive.ledger.ledger import Ledger

T = TypeVar("T")
GROUPS = ("agent", "batch", "model", "day", "tenant")


@click.group()
def budget() -> None:
    """Show, set and raise budgets: of runs, batches, apps and tenants.

    KEY is agent/NAME/ID for a run or conversation, batch/ID, app/NAME, or tenant/NAME.
    """


@budget.command("list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_budgets(as_json: bool) -> None:
    """List the budgets, what is spent of them, and how many runs wait for them."""
    records = _with_ledger(lambda ledger: ledger.budgets.find())
    if as_json:
        click.echo(json.dumps([asdict(record) for record in records], indent=2))
    elif not records:
        click.echo("No budgets. Set one with `outlive budget set tenant/NAME 10usd`.", err=True)
    else:
        _print(_budget_table(records))


@budget.command("set")
@click.argument("key")
@click.argument("amounts")
@click.option(
    "--unknown-prices",
    type=click.Choice([choice.value for choice in UnknownPrices]),
    default=UnknownPrices.ASK.value,
    show_default=True,
    help="What a limit in dollars does with a call whose price nobody knows.",
)
def set_budget(key: str, amounts: str, unknown_prices: str) -> None:
    """Set the budget of KEY to AMOUNTS, such as 10usd or 10usd,500calls. What is not named has no limit then."""
    wanted = Budget.parse(amounts, unknown_prices=unknown_prices)
    _check_key(key)
    record = _with_ledger(lambda ledger: ledger.budgets.set_caps(key, wanted, by=getpass.getuser()))
    click.echo(_told(record, "set"))


@budget.command("raise")
@click.argument("key")
@click.argument("amounts")
def raise_budget(key: str, amounts: str) -> None:
    """Raise the budget of KEY to AMOUNTS, such as 20usd. Everything that waits for it goes on by itself."""
    wanted = Budget.parse(amounts)
    record = _with_ledger(lambda ledger: ledger.budgets.raise_caps(key, wanted, by=getpass.getuser()))
    click.echo(_told(record, "raised"))


@click.command()
@click.option("--by", type=click.Choice(GROUPS), default="model", show_default=True, help="What to sum up by.")
@click.option("--since", help="First day that counts: 2026-11-01, or 7d for the last seven days. In UTC.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def spend(by: str, since: str | None, as_json: bool) -> None:
    """Tell what was spent on model calls. A call whose price nobody knows is counted apart, never as nothing."""
    from outlive.ledger.spending import first_day

    first = first_day(since)
    rows = _with_ledger(lambda ledger: ledger.spending.totals(by, since=first))
    if as_json:
        click.echo(json.dumps([asdict(row) for row in rows], indent=2))
        return
    if not rows:
        click.echo("Nothing was spent.", err=True)
        return
    from rich.table import Column, Table

    from outlive.cli.amounts import dollars

    columns = [Column(by, overflow="fold")]
    columns += [Column(name, justify="right") for name in ("calls", "input tokens", "output tokens", "cost")]
    table = Table(*columns, Column("calls at an unknown price", justify="right"), box=None, pad_edge=False)
    for row in rows:
        counts = (f"{count:,}" for count in (row.calls, row.input_tokens, row.output_tokens))
        table.add_row(printable(row.group) or "(none)", *counts, dollars(row.usd_nanos), f"{row.unpriced_calls:,}")
    _print(table)


def _budget_table(records: "list[BudgetRecord]") -> "Table":
    from rich.table import Column, Table

    from outlive.ledger.reserving import AMOUNTS
    from outlive.money.purse import said

    names = ("cap", "spent", "in flight", "never known")
    columns = [Column(name, justify="right", no_wrap=True) for name in names]
    table = Table(Column("budget", overflow="fold"), *columns, Column("waiting", justify="right"), box=None)
    for record in records:
        for name in AMOUNTS:
            cap = record.caps[name]
            if cap is not None:
                parts = (cap, record.spent[name], record.held[name], record.doubtful[name])
                table.add_row(printable(record.key), *(said(name, part) for part in parts), str(record.waiting or ""))
    return table


def _told(record: "BudgetRecord", what: str) -> str:
    from outlive.money.purse import said

    caps = ", ".join(said(name, cap) for name, cap in record.caps.items() if cap is not None)
    woken = f" {record.waiting} waiting for it go on, where workers are up." if record.waiting else ""
    return f"Budget {record.key} {what}: {caps}.{woken}"


def _check_key(key: str) -> None:
    kind, slash, name = key.partition("/")
    if kind not in {"agent", "batch", "app", "tenant"} or not slash or not name:
        raise UsageError(
            f"{key!r} is no key of a budget. Write agent/NAME/ID for a run, batch/ID, app/NAME or tenant/NAME."
        )


def _print(table: "Table") -> None:
    from rich.console import Console

    from outlive.cli.listing import PLAIN_WIDTH

    width = None if Console().is_terminal else PLAIN_WIDTH
    Console(markup=False, highlight=False, width=width).print(table)


def _with_ledger(read: "Callable[[Ledger], T]") -> T:
    from outlive.cli.asking import project

    async def run() -> T:
        async with project() as client:
            return await client.ledger.call(read, client.ledger)

    return asyncio.run(run())

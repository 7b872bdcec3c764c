"""``outlive runs``: the runs of agents, as a table."""

import asyncio
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from outlive.cli.amounts import duration

if TYPE_CHECKING:
    from outlive.client import Client
    from outlive.engine.run_health import RunHealth
    from outlive.trace.bookkeeping import Spending

STATES = ("running", "parked", "stuck", "completed", "failed", "cancelled", "terminated", "timed_out")
OPEN = {"running", "parked", "stuck"}
MOST_ASKED = 20  # runs that are asked about one by one: what keeps them from moving the list does not tell
MOST_SEARCHED = 200  # … where stuck ones are looked for
ASKED_AT_ONCE = 10
MOST_LISTED = 10_000  # of the open ones, when some of them are looked for

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Age(click.ParamType[timedelta]):
    """A length of time, such as ``30m``, ``2h`` or ``3d``."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Return what was typed as a length of time."""
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"(\d{1,6})([smhdw])", str(value).strip())
        if found is None:
            self.fail(
                f"{value!r} is no length of time. Write a number and s, m, h, d or w, such as 2h or 3d.", param, ctx
            )
        return timedelta(**{_UNITS[found[2]]: int(found[1])})


@dataclass(frozen=True, kw_only=True)
class Row:
    """A run, and what it came to as far as this project's ledger knows."""

    health: "RunHealth"
    spending: "Spending | None"

    @property
    def shown_id(self) -> str:
        """``AGENT/ID``: what every command takes."""
        return self.health.workflow_id.removeprefix("agent/")

    @property
    def started_at(self) -> datetime | None:
        """When the run began; of one that continued as new, when its first call did."""
        known = [self.health.started_at] if self.health.started_at else []
        if self.spending is not None and self.spending.began_at:
            known.append(datetime.fromtimestamp(self.spending.began_at, tz=UTC))
        return min(known, default=None)


@click.command()
@click.option("--agent", help="Only the runs of one agent.")
@click.option("--state", "states", type=click.Choice(STATES), multiple=True, help="Only these; may be given twice.")
@click.option("--since", type=Age(), help="Only those that began lately: 2h, 3d.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many, the latest first.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def runs(agent: str | None, states: tuple[str, ...], since: timedelta | None, limit: int, as_json: bool) -> None:
    """List the runs of agents, with what they cost, and what keeps them from moving."""
    now = datetime.now(tz=UTC)
    rows = asyncio.run(_rows(agent, states, None if since is None else now - since, limit))
    if as_json:
        click.echo(json.dumps([_plain(row) for row in rows], indent=2))
    elif rows:
        for line in table(rows, now):
            click.echo(line)
    else:
        wanted = agent or states or since
        click.echo("No such runs." if wanted else 'No runs yet. Start one with `outlive run AGENT "…"`.', err=True)


async def _rows(agent: str | None, states: tuple[str, ...], since: datetime | None, limit: int) -> list[Row]:
    from outlive.cli.asking import project
    from outlive.trace.bookkeeping import spending

    # That no worker serves a run only asking about it tells: the list has it as running.
    listed = {*states, "running"} if "stuck" in states else set(states)
    async with project() as client:
        wide = limit if listed == set(states) else MOST_LISTED
        found = [run async for run in client.runs(agent=agent, states=sorted(listed), since=since, limit=wide)]
        most = MOST_SEARCHED if "stuck" in states else MOST_ASKED
        found = [run for run in await _asked(client, found, most) if not states or run.state in states][:limit]
        spent = await spending(client.ledger, [run.workflow_id for run in found])
    return [Row(health=run, spending=spent.get(run.workflow_id)) for run in found]


async def _asked(client: "Client", found: "list[RunHealth]", most: int) -> "list[RunHealth]":
    """Return the runs, the first open ones with what the engine says of each."""
    from outlive.engine.run_health import run_health

    temporal = await client.temporal()
    numbers = [number for number, run in enumerate(found) if run.state in {"running", "stuck"}]
    if len(numbers) > most:
        left = len(numbers) - most
        click.echo(f"Of {left:,} more open runs it was not asked what keeps them from moving.", err=True)
    for start in range(0, min(len(numbers), most), ASKED_AT_ONCE):
        group = numbers[start : min(start + ASKED_AT_ONCE, most)]
        asked = (run_health(temporal, client.settings, found[number].workflow_id) for number in group)
        for number, answer in zip(group, await asyncio.gather(*asked), strict=True):
            found[number] = answer or found[number]
    return found


def table(rows: list[Row], now: datetime) -> list[str]:
    """Return the table, one line for each run, and below it what it waits for."""
    from outlive.cli.terminal import printable

    heads = ["run", "state", "started", "for", "model calls", "tool calls", "tokens", "cost"]
    cells = [[printable(cell) for cell in _cells(row, now)] for row in rows]
    widths = [max(len(line[column]) for line in [heads, *cells]) for column in range(len(heads))]
    lines = [_aligned(heads, widths)]
    for row, line in zip(rows, cells, strict=True):
        lines.append(_aligned(line, widths))
        lines.extend(f"    {printable(reason)}" for reason in _reasons(row, now))
    return lines


def _aligned(cells: list[str], widths: list[int]) -> str:
    numbers = range(3, 7)
    padded = [
        cell.rjust(width) if column in numbers else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "  ".join(padded).rstrip()


def _cells(row: Row, now: datetime) -> list[str]:
    from outlive.cli.trace_lines import money

    began, spent = row.started_at, row.spending
    known = ["-", "-", "-", "-"]
    if spent is not None:
        tokens = f"{spent.input_tokens + spent.output_tokens:,}"
        cost = money(spent.usd_nanos, spent.unpriced)
        known = [f"{spent.model_calls:,}", f"{spent.tool_calls:,}", tokens, cost]
    return [
        row.shown_id,
        row.health.state,
        f"{began.astimezone():%Y-%m-%d %H:%M}" if began else "",
        duration(((row.health.closed_at or now) - began).total_seconds()) if began else "",
        *known,
    ]


def _reasons(row: Row, now: datetime) -> list[str]:
    """Return what keeps a run from moving, and what to do."""
    health = row.health
    reasons = [health.problem] if health.problem else []
    if health.state == "stuck" and not health.is_closed:
        reasons.append(f"See `outlive show {row.shown_id}`.")
    for question in health.questions:
        choices = "|".join(question.choices)
        command = question.command(row.shown_id, choices, is_alone=len(health.questions) == 1)
        reasons.append(f"{question.reason} Decide: `{command}`.")
    for waiting in health.waiting:
        left = max((waiting.next_at - now).total_seconds(), 0) if waiting.next_at else 0
        when = f"in {duration(left)}" if left else "now"
        reasons.append(f"{waiting.name}: attempt {waiting.attempt} {when}, because {waiting.reason}")
    return reasons


def _plain(row: Row) -> dict[str, Any]:
    from dataclasses import asdict

    from outlive.trace.model import as_json

    health, began = row.health, row.started_at
    spending = None if row.spending is None else asdict(row.spending)
    if spending is not None:
        del spending["began_at"]  # it is in `started_at`
    return {
        "id": health.workflow_id,
        "state": health.state,
        "workflow_status": health.workflow_status,
        "problem": health.problem,
        "questions": [asdict(question) for question in health.questions],
        "waiting": [as_json(waiting) for waiting in health.waiting],
        "started_at": began.isoformat() if began else None,
        "closed_at": health.closed_at.isoformat() if health.closed_at else None,
        "spending": spending,
    }

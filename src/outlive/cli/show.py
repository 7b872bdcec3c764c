"""``outlive show``: one run as a person reads it."""

import asyncio
import json
import sys
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from outlive.trace.model import Trace, Value

STYLES: dict[str, dict[str, Any]] = {"strong": {"bold": True}, "faint": {"dim": True}, "bad": {"fg": "red"}, "": {}}


@click.command()
@click.argument("run_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.option("--full", is_flag=True, help="Every call, every value whole.")
@click.option("--value", "ref", metavar="REF", help="Only one value, whole: 3.args, t1.said, output.")
def show(run_id: str, as_json: bool, full: bool, ref: str | None) -> None:
    """Show what happened in a run: turns, model calls, tool calls, waits, child runs, and what they cost.

    ID is the run's own id, AGENT/ID, PLAN/ID, or the id of any workflow.
    """
    from outlive.trace.model import as_json as plain

    if ref is not None:
        value = asyncio.run(_value(run_id, ref))
        if as_json:
            click.echo(json.dumps(plain(value), indent=2))
        else:
            _print_value(value)
        return
    trace = asyncio.run(_trace(run_id, whole=full))
    if as_json:
        click.echo(json.dumps(plain(trace), indent=2))
    else:
        _print_trace(trace, full=full)


async def _trace(run_id: str, *, whole: bool) -> "Trace":
    from outlive.cli.asking import any_run, project
    from outlive.trace.reading import TraceReader

    async with project() as client:
        temporal = await client.temporal()
        reader = TraceReader(temporal, client.settings, ledger=client.ledger)
        return await reader.read(await any_run(temporal, run_id), whole=whole)


async def _value(run_id: str, ref: str) -> "Value":
    from outlive.cli.asking import any_run, project
    from outlive.trace.reading import TraceReader

    async with project() as client:
        temporal = await client.temporal()
        reader = TraceReader(temporal, client.settings, ledger=client.ledger)
        return await reader.value(await any_run(temporal, run_id), ref)


def _print_trace(trace: "Trace", *, full: bool) -> None:
    from datetime import UTC, datetime

    from outlive.cli.trace_lines import TraceLines

    for line in TraceLines(trace, full=full, now=datetime.now(tz=UTC)).lines():
        click.secho(f"{'  ' * line.depth}{line.text}", **STYLES[line.tone])


def _print_value(value: "Value") -> None:
    """Print a value whole: as it is into a file or pipe, so that no terminal obeys it on a terminal."""
    from outlive.cli.terminal import printable
    from outlive.errors import RunError

    if value.problem:
        raise RunError(f"Value {value.ref!r} is there, but {value.problem}.")
    content = value.content
    text = content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False)
    if sys.stdout.isatty():
        text = "\n".join(printable(line.expandtabs(4)) for line in text.splitlines())
    click.echo(text.encode("utf-8", "replace"))

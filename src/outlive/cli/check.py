"""``outlive check``: may this code serve the runs in flight?"""

import asyncio
import json
import logging
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from outlive.worker.replaying import Replayed

LONGEST_FAULT = 400


@click.command()
@click.argument("app", required=False, metavar="[MODULE:APP]")
@click.option(
    "--ended", type=click.IntRange(min=0), default=0, help="Replay so many of the runs that have ended, too.  [none]"
)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def check(app: str | None, ended: int, as_json: bool) -> None:
    """Replay the runs in flight with the code of MODULE:APP, before it serves them.

    The app is the one that was served last, or that of app.py, where none is named. Nothing is done or recorded: each
    run's history is read from the engine, and the code must take the same way as it did. What no history tells, such as
    changed arguments of a call that was made, is not noticed. Exit status 1 if there is a run that the code cannot go
    on with.
    """
    from outlive.cli.terminal import printable

    checked = asyncio.run(_checked(app, ended))
    faults = [one for one in checked if one.fault is not None]
    if as_json:
        click.echo(json.dumps([asdict(one) for one in checked], indent=2))
    else:
        for one in faults:
            click.echo(f"✗ {printable(one.workflow_id)}\n    {printable((one.fault or '')[:LONGEST_FAULT])}")
        if faults:
            click.echo(
                f"{len(faults)} of {len(checked)} runs would be stuck with this code. Let the code that they began "
                "with end them, or change it with `workflow.patched`, and check again."
            )
        else:
            click.echo(f"This code goes on with all {len(checked)} runs." if checked else "No runs to check.")
    click.get_current_context().exit(1 if faults else 0)


async def _checked(app: str | None, ended: int) -> "list[Replayed]":
    from outlive.app import load_app
    from outlive.cli.asking import project
    from outlive.cli.references import default_app
    from outlive.worker.replaying import replay_runs

    logging.getLogger("temporalio").setLevel(logging.CRITICAL)  # tracebacks of what is told below
    async with project() as client:
        loaded = load_app(app or default_app(client.settings))
        return [one async for one in replay_runs(await client.temporal(), loaded, client.settings, ended=ended)]

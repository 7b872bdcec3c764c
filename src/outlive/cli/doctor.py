"""``outlive doctor``: every precondition, what was found, and the mend."""

import asyncio
import json
from dataclasses import asdict

import click

MARKS = {"good": ("✓", "green"), "note": ("•", "yellow"), "fault": ("✗", "red")}


@click.command()
@click.argument("app", required=False, metavar="[MODULE:APP]")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def doctor(app: str | None, as_json: bool) -> None:
    """Check every precondition, and say how to mend what is wrong.

    With MODULE:APP, the app's import and the keys of its models are checked too. Exit status 0 when nothing is wrong,
    1 otherwise.
    """
    from outlive.cli.checks import State, examine
    from outlive.settings import Settings

    findings = asyncio.run(examine(Settings.load(), app=app))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            mark, colour = MARKS[finding.state]
            click.echo(f"{click.style(mark, fg=colour)} {finding.name:<12} {finding.found}")
            if finding.mend:
                click.echo(f"  {'':<12} {finding.mend}")
    click.get_current_context().exit(1 if any(finding.state is State.FAULT for finding in findings) else 0)

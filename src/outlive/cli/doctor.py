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

    The app is imported, and the keys of its models are looked for: MODULE:APP, or else the one that was served last,
    or that of app.py. Exit status 0 when nothing is wrong, 1 otherwise.
    """
    from outlive.cli.checks import examine
    from outlive.cli.findings import State
    from outlive.settings import Settings

    findings = asyncio.run(examine(Settings.load(), app=app))
    if as_json:
        click.echo(json.dumps([asdict(finding) for finding in findings], indent=2))
    else:
        for finding in findings:
            mark, colour = MARKS[finding.state]
            click.echo(f"{click.style(mark, fg=colour)} {finding.name:<12} {finding.found}")
            for line in finding.mend.splitlines():
                click.echo(f"  {'':<12} {line}")
    click.get_current_context().exit(1 if any(finding.state is State.FAULT for finding in findings) else 0)

"""``outlive clean``: one round of housekeeping, now."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from outlive.housekeeping.rounds import RoundReport
    from outlive.housekeeping.space import FileSpace
    from outlive.settings import Settings

WORTH_SAYING = 1_000_000  # bytes that are free in a file


@click.command()
@click.option("--dry-run", is_flag=True, help="Remove nothing, and say what would be.")
@click.option(
    "--others-are-gone",
    is_flag=True,
    help="What other engines or namespaces have left in this folder is needed no more.",
)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
def clean(dry_run: bool, others_are_gone: bool, as_json: bool) -> None:
    """Remove what no run needs any more.

    `outlive up` does it by itself, some minutes after its start and then each OUTLIVE_HOUSEKEEPING_HOURS.

    What goes: calls, answers and events of runs that the engine keeps no longer, once they are OUTLIVE_RETENTION_DAYS
    old; large values that nothing refers to, once they were not used for OUTLIVE_PAYLOAD_GRACE_DAYS. Batches and their
    results stay. An engine is started where none runs.
    """
    from outlive.cli.asking import existing_project

    report = asyncio.run(_clean(existing_project(), dry_run=dry_run, others_are_gone=others_are_gone))
    if as_json:
        from outlive.housekeeping.records import summary

        facts = {"dry_run": dry_run, "executions": report.executions, "kept_payloads": report.payloads.kept}
        files = {name: asdict(space) for name, space in report.files.items()}
        forgotten = {"forgotten": list(report.forgotten), "removed": summary(report)}
        click.echo(json.dumps({**facts, **forgotten, "files": files, "seconds": round(report.seconds, 3)}, indent=2))
        return
    for line in _lines(report):
        click.echo(line)


async def _clean(settings: "Settings", *, dry_run: bool, others_are_gone: bool) -> "RoundReport":
    from outlive.engine.connection import connect
    from outlive.engine.home import Home
    from outlive.errors import OutliveError
    from outlive.housekeeping.records import sole_round
    from outlive.housekeeping.rounds import keep_house

    with sole_round(Home(settings.home)) as recorder:
        async with _engine(settings):
            client = await connect(settings)
            if dry_run:
                return await keep_house(client, settings, dry_run=True, others_are_gone=others_are_gone)
            recorder.begin()
            try:
                report = await keep_house(client, settings, others_are_gone=others_are_gone)
            except OutliveError as error:
                recorder.fail(str(error))
                raise
            recorder.end(report)
            return report


@contextlib.asynccontextmanager
async def _engine(settings: "Settings") -> AsyncIterator[None]:
    """Let the project's engine run: it alone knows which runs there are."""
    from outlive.engine.connection import configured_cluster
    from outlive.engine.home import Home
    from outlive.worker.supervisor import Supervisor

    if configured_cluster() or Home(settings.home).is_owned():
        yield
        return
    async with Supervisor(settings, workers=0):
        yield


def _lines(report: "RoundReport") -> list[str]:
    done = "would remove" if report.is_dry_run else "removed"
    rows, payloads = report.rows, report.payloads
    lines = [
        f"Runs       {report.executions:,} kept by the engine; {done} what is left of {len(report.forgotten):,} others",
        f"Ledger     {done} {rows.calls:,} calls, {rows.answers:,} answers",
        f"Events     {done} {report.streams:,} streams",
        f"Payloads   {done} {payloads.removed:,} ({_megabytes(payloads.removed_bytes)}); {payloads.kept:,} stay",
    ]
    for name, space in report.files.items():
        lines.append(f"{name:<10} {_megabytes(space.size)}{_free(name, space)}")
    return lines


def _free(name: str, space: "FileSpace") -> str:
    if space.free < WORTH_SAYING:
        return ""
    free = f", of which {_megabytes(space.free)} free for what is written next"
    if space.can_shrink or name == "engine.db":
        return free
    return f"{free}; this file, of an earlier Outlive, does not shrink"


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"

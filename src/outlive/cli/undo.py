"""``outlive undo``: take back what a run has done, the latest first."""

import asyncio
import json
from typing import TYPE_CHECKING, Any

import click

from outlive.cli.attending import APP_HELP
from outlive.cli.terminal import tell

if TYPE_CHECKING:
    from outlive.ledger.effects import EffectRecord
    from outlive.plan_runs import UndoHandle, UndoPreview

EXIT_FAILED = 1
EXIT_PARKED = 3
EXIT_INTERRUPTED = 130
LOOK_SECONDS = 0.5
SHOWN_KEY = 12
SHOWN_EFFECTS = 50


@click.command()
@click.argument("run_id", metavar="ID")
@click.option("--dry-run", is_flag=True, help="Only list what would be taken back, and what cannot be.")
@click.option("--app", metavar="MODULE:APP", help=APP_HELP)
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def undo(run_id: str, dry_run: bool, app: str | None, as_json: bool) -> None:
    """Take back what the run ID of an agent or a plan has done, and its child runs with it.

    Each effect that declares `undo=` is taken back once, the latest first; the others are left. Interrupted, it goes
    on where there are workers. The run must have ended.

    Exit status 3 when it waits for a person: an undo has failed.
    """
    try:
        raise SystemExit(asyncio.run(_undo(run_id, is_dry=dry_run, app=app, as_json=as_json)))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise SystemExit(EXIT_INTERRUPTED) from None


async def _undo(run_id: str, *, is_dry: bool, app: str | None, as_json: bool) -> int:
    from outlive.app import load_app
    from outlive.cli.asking import any_run
    from outlive.cli.project import running_project
    from outlive.cli.references import required_app
    from outlive.client import Client
    from outlive.plan_runs import preview_undo
    from outlive.settings import Settings

    settings = Settings.load()
    reference = required_app(app, settings)
    declared = load_app(reference)
    async with Client(settings, app=declared) as client, running_project(client, workers=1, app=reference):
        workflow_id = await any_run(await client.temporal(), run_id)
        preview = await preview_undo(client, workflow_id)
        if is_dry:
            tell(json.dumps(_plain(preview), indent=2) if as_json else "\n".join(_lines(preview)))
            return 0
        handle = await client.undo(workflow_id)
        if not as_json:
            click.echo(f"Taking back {len(preview.undoable):,} effects of {workflow_id} …", err=True)
        return await _followed(handle, as_json=as_json)


async def _followed(handle: "UndoHandle", *, as_json: bool) -> int:
    """Wait for the end, or for a question, and tell of it."""
    ended = asyncio.create_task(handle.result())
    try:
        while not (await asyncio.wait([ended], timeout=LOOK_SECONDS))[0]:
            for question in (await handle.status()).questions:
                tell(f"It waits: {question.reason}", err=True)
                choices = "|".join(question.choices)
                click.echo(f"  outlive answer {question.question_id} {choices}", err=True)
                return EXIT_PARKED
        outcome = ended.result()
    finally:
        ended.cancel()
        await asyncio.gather(ended, return_exceptions=True)
    if as_json:
        click.echo(json.dumps({"undone": outcome.undone, "skipped": outcome.skipped, "left": outcome.left}))
    else:
        click.echo(f"Taken back: {outcome.undone:,}. Left out: {len(outcome.skipped):,}. Left: {outcome.left:,}.")
    return 0


def _lines(preview: "UndoPreview") -> list[str]:
    found = [f"Would be taken back, in this order: {len(preview.undoable):,}"]
    found += [_line(record) for record in preview.undoable[:SHOWN_EFFECTS]]
    if preview.undone:
        found.append(f"Taken back before: {preview.undone:,}")
    found.append(f"Left, for they declare no undo, or nobody knows whether they happened: {len(preview.left):,}")
    return [*found, *(_line(record) for record in preview.left[:SHOWN_EFFECTS])]


def _line(record: "EffectRecord") -> str:
    return f"  {record.effect_key[:SHOWN_KEY]}  {record.state:<8}  {record.name}"


def _plain(preview: "UndoPreview") -> dict[str, Any]:
    def rows(records: "list[EffectRecord]") -> list[dict[str, str]]:
        return [{"key": one.effect_key, "effect": one.name, "state": str(one.state)} for one in records]

    return {"undoable": rows(preview.undoable), "undone": preview.undone, "left": rows(preview.left)}

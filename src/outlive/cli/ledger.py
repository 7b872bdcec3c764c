"""``outlive ledger``: what was done to the outside world, and what a person has to say about it."""

import asyncio
import getpass
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from outlive.cli.ledger_migrate import migrate
from outlive.cli.terminal import tell

if TYPE_CHECKING:
    from outlive.client import Client
    from outlive.ledger.effects import EffectRecord

STATES = ("begun", "done", "failed", "unknown", "refused", "shadowed")
SHOWN_KEY = 12  # characters: what a person types


@click.group()
def ledger() -> None:
    """Show the effects of tools, settle those whose outcome nobody knows; bring the tables up to date."""


ledger.add_command(migrate)


@ledger.command("list")
@click.option("--run", "run_id", metavar="ID", help="Only those of one run.")
@click.option("--state", "states", type=click.Choice(STATES), multiple=True, help="Only these; may be given twice.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many, the latest first.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_effects(run_id: str | None, states: tuple[str, ...], limit: int, as_json: bool) -> None:
    """List the tool calls that the ledger has, the latest first."""
    records = asyncio.run(_listed(run_id, states, limit))
    if as_json:
        click.echo(json.dumps([_plain(record) for record in records], indent=2))
        return
    for record in records:
        policy = record.policy or "not declared"
        tell(
            f"{record.effect_key[:SHOWN_KEY]}  {record.state:<8} {record.name}  ({policy})  "
            f"{record.workflow_id.removeprefix('agent/')}  {_when(record.begun_at)}"
        )
    if not records:
        click.echo("The ledger has no such effects.")


@ledger.command()
@click.argument("key")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show(key: str, as_json: bool) -> None:
    """Show all that is known of the effect KEY, or the one whose key begins so."""
    found = asyncio.run(_shown(key))
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        if value is not None:
            tell(f"{name:<12} {value if isinstance(value, str) else json.dumps(value)}")


@ledger.command()
@click.argument("key")
@click.option("--done", "verdict", flag_value="done", help="It has happened; --value is what it returned.")
@click.option("--retry", "verdict", flag_value="retry", help="It has not happened, and is to be made.")
@click.option(
    "--failed", "verdict", flag_value="failed", help="It is not to be made; the model is told that it failed."
)
@click.option("--value", metavar="JSON", help="With --done: what it returned.")
@click.option("--by", default=None, help="Who says so.  [your login name]")
def settle(key: str, verdict: str | None, value: str | None, by: str | None) -> None:
    """Say what came of the effect KEY, whose outcome nobody knows. Its run goes on."""
    if verdict is None:
        raise click.UsageError("Say what came of it: --done, --retry or --failed.")
    if value is not None and verdict != "done":
        raise click.UsageError("--value goes with --done.")
    click.echo(asyncio.run(_settled(key, verdict, _json(value), by or getpass.getuser())))


async def _listed(run_id: str | None, states: tuple[str, ...], limit: int) -> "list[EffectRecord]":
    from outlive.cli.asking import any_run, project

    async with project() as client:
        workflow_id = None if run_id is None else await any_run(await client.temporal(), run_id)
        effects = client.ledger.effects
        return await client.ledger.call(effects.listed, workflow_id=workflow_id, states=states, limit=limit)


async def _shown(key: str) -> dict[str, Any]:
    from outlive.cli.asking import project
    from outlive.settling import find_effect

    async with project() as client:
        record = await find_effect(client, key)
        return {
            **_plain(record),
            "args": await _decoded(client, record.arguments),
            "result": await _decoded(client, record.result),
        }


async def _settled(key: str, verdict: str, value: Any, by: str) -> str:
    from outlive.cli.asking import project
    from outlive.ledger.effects import Settling
    from outlive.settling import settle_effect

    async with project() as client:
        return await settle_effect(client, key, Settling(verdict), value=value, by=by)


async def _decoded(client: "Client", recorded: bytes | None) -> Any:
    """Return a recorded value as JSON values; with its problem, where it cannot be read here."""
    if recorded is None:
        return None
    from temporalio.api.common.v1 import Payload

    from outlive.trace.values import UnreadableValue, Values

    temporal = await client.temporal()
    try:
        return await Values(temporal.data_converter).plain(Payload.FromString(recorded))
    except UnreadableValue as error:
        return f"({error})"


def _plain(record: "EffectRecord") -> dict[str, Any]:
    settled = record.settled
    return {
        "key": record.effect_key,
        "run": record.workflow_id,
        "tool": record.name,
        "policy": record.policy,
        "state": str(record.state),
        "attempts": record.attempts,
        "failures": record.failures,
        "begun": _when(record.begun_at),
        "ended": None if record.ended_at is None else _when(record.ended_at),
        "error": None if record.error is None else record.error.partition("\n")[0],
        "settled": None
        if settled is None
        else {"verdict": settled.verdict, "by": settled.by, "at": _when(settled.at), "value": settled.value},
    }


def _when(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="seconds")


def _json(text: str | None) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise click.UsageError(
            f"--value is {text!r}, which is no JSON ({error}). Text goes in quotes: '\"done\"'."
        ) from error

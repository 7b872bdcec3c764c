"""``outlive desk``: what waits for a person."""

import asyncio
import getpass
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from outlive.cli.attending import APP_HELP, with_run
from outlive.cli.runs import Age

if TYPE_CHECKING:
    from outlive.desk.desk import Desk
    from outlive.desk.records import HandOff
    from outlive.runs import Connection, RunHandle

by_option = click.option("--by", default=getpass.getuser, help="Who.  [your login name]")
app_option = click.option("--app", metavar="MODULE:APP", help=APP_HELP)


@click.group(invoke_without_command=True)
@click.option("--all", "everything", is_flag=True, help="Also what is decided, expired or void.")
@click.option("--agent", help="Only of one agent.")
@click.option("--kind", help="Only of one kind: approval, question, budget, unknown, tool_failed, halted.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
@click.pass_context
def desk(ctx: click.Context, everything: bool, agent: str | None, kind: str | None, as_json: bool) -> None:
    """List what waits for a person, what has waited longest first. `outlive answer ID …` decides."""
    if ctx.invoked_subcommand is not None:
        return
    found = asyncio.run(_listed(None if everything else "open", agent, kind))
    if as_json:
        click.echo(json.dumps([_plain(one) for one in found], indent=2, ensure_ascii=False))
        return
    from outlive.cli.desk_lines import table

    for line in table(found, datetime.now(tz=UTC)):
        click.echo(line)
    if not found:
        click.echo("Nothing waits for a person.", err=True)


@desk.command()
@click.argument("hand_off_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show(hand_off_id: str, as_json: bool) -> None:
    """Show all that is needed to decide ID: arguments, the conversation's last turns, choices."""
    from outlive.cli.desk_lines import details

    found, turns = asyncio.run(_whole(hand_off_id))
    if as_json:
        click.echo(json.dumps(_plain(found) | {"turns": turns}, indent=2, ensure_ascii=False))
        return
    for line in details(found, turns, datetime.now(tz=UTC)):
        click.echo(line)


@desk.command()
@click.option("--revoke", type=int, metavar="NUMBER", help="Let a rule count no more, from the next call on.")
@by_option
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def rules(revoke: int | None, by: str, as_json: bool) -> None:
    """List the rules by which calls are approved without a person; `outlive answer ID approve --always` makes one."""
    from dataclasses import asdict

    from outlive.cli.desk_lines import rule_lines

    found = asyncio.run(_rules(revoke, by))
    if as_json:
        click.echo(json.dumps([asdict(rule) for rule in found], indent=2))
        return
    for line in rule_lines(found):
        click.echo(line)
    if not found:
        click.echo("There are no rules.", err=True)


@desk.command()
@click.argument("hand_off_id", metavar="ID")
@click.option("--choice", required=True, help="What whoever has the link may choose.")
@click.option("--by", required=True, help="Whose decision it will be.")
@click.option("--expires", type=Age(), default="3d", show_default=True, help="How long the link is good: 2h, 3d.")
def link(hand_off_id: str, choice: str, by: str, expires: timedelta) -> None:
    """Print a signed token that takes one choice of ID, once: for mail or chat. `outlive answer --token` redeems it."""
    click.echo(asyncio.run(_link(hand_off_id, choice, by, expires)))


@desk.command()
@click.argument("run_id", metavar="RUN")
@by_option
@click.option("--force", is_flag=True, help="Also from somebody who has it.")
@app_option
def take(run_id: str, by: str, force: bool, app: str | None) -> None:
    """Take the conversation RUN over: the agent is silent, and what the user says waits for you."""

    async def work(handle: "RunHandle[Any]") -> None:
        await _desk(handle).take(handle.workflow_id, by=by, force=force)
        click.echo(
            f"{by} speaks now: `outlive desk speak {handle.agent}/{handle.run_id} TEXT`; `return` hands it back."
        )

    with_run(run_id, app, work)


@desk.command()
@click.argument("run_id", metavar="RUN")
@click.argument("text")
@by_option
@app_option
def speak(run_id: str, text: str, by: str, app: str | None) -> None:
    """Say TEXT in the agent's place, in a conversation that you have taken over."""

    async def work(handle: "RunHandle[Any]") -> None:
        await _desk(handle).speak(handle.workflow_id, text, by=by)
        click.echo("Said.")

    with_run(run_id, app, work)


@desk.command(name="return")
@click.argument("run_id", metavar="RUN")
@by_option
@click.option("--force", is_flag=True, help="Also where somebody else has it.")
@app_option
def hand_back(run_id: str, by: str, force: bool, app: str | None) -> None:
    """Hand the conversation RUN back: the agent answers what waits, and goes on."""

    async def work(handle: "RunHandle[Any]") -> None:
        await _desk(handle).hand_back(handle.workflow_id, by=by, force=force)
        click.echo("The agent goes on.")

    with_run(run_id, app, work)


def _desk(handle: "RunHandle[Any]") -> "Desk":
    from outlive.desk.desk import Desk

    async def connected() -> "Connection":
        return handle.connection

    return Desk(connected)


async def _listed(state: str | None, agent: str | None, kind: str | None) -> "list[HandOff]":
    from outlive.cli.asking import project

    async with project() as client:
        return await client.desk.list(state=state, agent=agent, kind=kind)


async def _whole(hand_off_id: str) -> "tuple[HandOff, list[dict[str, str]]]":
    from outlive.cli.asking import project
    from outlive.cli.desk_lines import last_turns

    async with project() as client:
        found = await client.desk.get(hand_off_id)
        return found, await last_turns(client.streams, found.workflow_id)


async def _rules(revoke: int | None, by: str) -> Any:
    from outlive.cli.asking import project

    async with project() as client:
        if revoke is not None:
            await client.desk.revoke(revoke, by=by)
        return await client.desk.rules()


async def _link(hand_off_id: str, choice: str, by: str, expires: timedelta) -> str:
    from outlive.cli.asking import project

    async with project() as client:
        return await client.desk.link(hand_off_id, choice, by=by, lasts=expires)


def _plain(found: "HandOff") -> dict[str, Any]:
    from dataclasses import asdict

    plain = asdict(found) | {"run": found.run, "choices": [*found.choices]}
    return {key: value.isoformat() if isinstance(value, datetime) else value for key, value in plain.items()}

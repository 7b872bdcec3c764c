"""``outlive schedule``: agents, plans and batches again and again, at set times."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from outlive.cli.options import Answering, Reading, answer_options, source_options, taken
from outlive.cli.runs import Age
from outlive.cli.terminal import tell
from outlive.errors import UsageError

if TYPE_CHECKING:
    from outlive.client import Client
    from outlive.schedules.schedules import Schedules, ScheduleView, Start

T = TypeVar("T")
OVERLAPS = ("skip", "buffer_one", "buffer_all", "cancel_other", "terminate_other", "allow_all")
SHOWN_TIMES = 3


@click.group()
def schedule() -> None:
    """Start agents, plans and batches again and again, at set times."""


@schedule.command()
@click.argument("schedule_id", metavar="ID")
@click.option("--agent", help="Start this agent, on --prompt.")
@click.option("--prompt", help="What the agent is asked.")
@click.option("--deps", help="Its dependencies, as JSON.")
@click.option("--plan", help="Start this plan, on --input.")
@click.option("--input", "plan_input", metavar="JSON", help="The plan's input.")
@click.option("--shadow", is_flag=True, help="Only rehearse the plan.")
@click.option("--batch", help="Start this batch function, on --source.")
@click.option("--source", help="The batch's documents: read anew each time.")
@click.option("--instruction", help="What to do with each document.")
@click.option("--cron", multiple=True, metavar="EXPRESSION", help="'0 2 * * mon-fri'. May be given again.")
@click.option("--every", type=Age(), help="30m, 12h, 7d.")
@click.option("--offset", type=Age(), help="Of --every: how far behind its beginnings, which count from 1970.")
@click.option("--calendar", multiple=True, metavar="FIELDS", help="'hour=9 day_of_week=mon-fri'. May be given again.")
@click.option("--time-zone", default="UTC", show_default=True, help="Of --cron and --calendar: Europe/Berlin.")
@click.option("--jitter", type=Age(), help="Put each start off by a random time up to this.")
@click.option(
    "--overlap",
    type=click.Choice(OVERLAPS),
    default="skip",
    show_default=True,
    help="At a time at which the run before still goes on.",
)
@click.option("--catch-up", type=Age(), default="1d", show_default=True, help="Make up for times missed lately.")
@click.option("--from", "start_at", type=click.DateTime(), help="Not before, UTC.")
@click.option("--until", "end_at", type=click.DateTime(), help="Not after, UTC.")
@click.option("--pause-on-failure", is_flag=True, help="Pause once a run has failed.")
@click.option("--paused", is_flag=True, help="Add it paused.")
@click.option("--note", default="", help="A word with it.")
@click.option("--app", metavar="MODULE:APP", help="App that declares it.  [the one served last, or app.py]")
@source_options
@answer_options
def add(schedule_id: str, app: str | None, paused: bool, note: str, **options: Any) -> None:
    """Add the schedule ID; the same one again changes nothing.

    One of --agent, --plan and --batch says what is started, --cron, --every and --calendar when. Each start is a run
    like any other, called by ID and its time.
    """

    async def run() -> None:
        from outlive.app import load_app
        from outlive.cli.references import required_app
        from outlive.client import Client
        from outlive.settings import Settings

        settings = Settings.load()
        reference = required_app(app, settings)
        async with Client(settings, app=load_app(reference)) as client:
            start = _start(client, options)
            is_new = await client.schedules.add(schedule_id, start, _timing(options), note=note, is_paused=paused)
            found = await client.schedules.get(schedule_id)
        click.echo("Added." if is_new else "It is there already.", err=True)
        for line in _lines(found):
            click.echo(line)

    asyncio.run(run())


@schedule.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_schedules(as_json: bool) -> None:
    """List the schedules."""
    found = _with(lambda schedules: schedules.list())
    if as_json:
        click.echo(json.dumps([_plain(view) for view in found], indent=2))
        return
    for view in found:
        following = "paused" if view.is_paused else _when(view.next_at[0]) if view.next_at else "no further time"
        tell(f"{view.id:<24} {view.what:<28} {following:<26} {view.when}")
    if not found:
        click.echo("No schedules yet. Add one with `outlive schedule add`.", err=True)


@schedule.command()
@click.argument("schedule_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def show(schedule_id: str, as_json: bool) -> None:
    """Show the schedule ID: its next times, its last runs, and what keeps them from moving."""
    found = _with(lambda schedules: schedules.get(schedule_id))
    tell(json.dumps(_plain(found), indent=2) if as_json else "\n".join(_lines(found)))


@schedule.command()
@click.argument("schedule_id", metavar="ID")
@click.option("--note", default="", help="Why.")
def pause(schedule_id: str, note: str) -> None:
    """Let the schedule ID start nothing until it is resumed. What runs goes on."""
    _with(lambda schedules: schedules.pause(schedule_id, note=note))
    click.echo(f"Paused. `outlive schedule resume {schedule_id}` goes on.")


@schedule.command()
@click.argument("schedule_id", metavar="ID")
@click.option("--note", default="", help="Why.")
def resume(schedule_id: str, note: str) -> None:
    """Let the schedule ID go on with its next time."""
    _with(lambda schedules: schedules.resume(schedule_id, note=note))
    click.echo("It goes on with its next time.")


@schedule.command()
@click.argument("schedule_id", metavar="ID")
@click.option("--overlap", type=click.Choice(OVERLAPS), help="Where an earlier run goes on.  [the schedule's own]")
def trigger(schedule_id: str, overlap: str | None) -> None:
    """Start a run of the schedule ID now, also where it is paused."""
    workflow_id = _with(lambda schedules: schedules.trigger(schedule_id, overlap=overlap))
    click.echo(workflow_id or f"It waits for its turn. `outlive schedule show {schedule_id}` lists the run.")


@schedule.command()
@click.argument("schedule_id", metavar="ID")
def remove(schedule_id: str) -> None:
    """Remove the schedule ID. What it has started goes on."""
    _with(lambda schedules: schedules.remove(schedule_id))
    click.echo("Removed.")


def _with(act: "Callable[[Schedules], Awaitable[T]]") -> T:
    async def run() -> T:
        from outlive.cli.asking import project

        async with project() as client:
            return await act(client.schedules)

    return asyncio.run(run())


def _start(client: "Client", options: dict[str, Any]) -> "Start":
    """Return what is to be started, checked against the app as far as that can be now."""
    from outlive.cli.requests import batch_start
    from outlive.contracts.starts import AgentStart, PlanStart
    from outlive.requesting import deps_of

    reading, answering = taken(Reading, options), taken(Answering, options)
    named = [name for name in ("agent", "plan", "batch") if options[name] is not None]
    if len(named) != 1:
        raise UsageError("Say what is started with one of --agent, --plan and --batch.")
    if agent := options["agent"]:
        if options["prompt"] is None:
            raise UsageError("Say with --prompt what the agent is asked.")
        deps = _json(options["deps"], "--deps")
        deps_of(client.registry.agent(agent), deps)
        budget, tenant = answering.budget or "", answering.tenant
        return AgentStart(
            agent=agent, prompt=options["prompt"], deps=deps, model=answering.model, budget=budget, tenant=tenant
        )
    if plan := options["plan"]:
        value = client.registry.plan(plan).input_as_json(_json(options["plan_input"], "--input"))
        return PlanStart(plan=plan, input=value, shadow=options["shadow"])
    if options["source"] is None:
        raise UsageError("Say with --source where the documents of the batch are.")
    client.function(options["batch"])
    return batch_start(
        options["batch"],
        options["source"],
        reading,
        answering,
        client.settings,
        instruction=options["instruction"],
    )


def _timing(options: dict[str, Any]) -> Any:
    from datetime import UTC

    from outlive.schedules.timing import Timing

    def utc(moment: datetime | None) -> datetime | None:
        return None if moment is None else moment.replace(tzinfo=UTC)

    return Timing(
        cron=options["cron"],
        every=options["every"],
        offset=options["offset"],
        calendar=options["calendar"],
        time_zone=options["time_zone"],
        jitter=options["jitter"],
        overlap=options["overlap"],
        catch_up=options["catch_up"],
        start_at=utc(options["start_at"]),
        end_at=utc(options["end_at"]),
        pause_on_failure=options["pause_on_failure"],
    )


def _lines(view: "ScheduleView") -> list[str]:
    state = "paused" if view.is_paused else "on"
    lines = [f"{view.id}: {view.what}, {state}, {view.when}"]
    lines += [f"  {view.note}"] if view.note else []
    lines += [f"  next   {_when(at)}" for at in view.next_at[:SHOWN_TIMES]]
    lines.append(f"  {view.started:,} started, {view.skipped:,} skipped, {view.missed:,} missed")
    for run in view.recent:
        lines.append(f"  {run.workflow_id}  {run.state}")
        lines += [f"    {run.problem}"] if run.problem else []
    return lines


def _plain(view: "ScheduleView") -> dict[str, Any]:
    from pydantic_core import to_jsonable_python

    plain: dict[str, Any] = to_jsonable_python(view)
    return plain


def _when(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def _json(text: str | None, option: str) -> Any:
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"{option} is no JSON: {error}. Text goes in quotes: '\"yes\"'.") from error

"""``outlive plan``: start plans, rehearse them, look at them and cancel them."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from outlive.cli.terminal import tell
from outlive.errors import UsageError

if TYPE_CHECKING:
    from outlive.contracts.events import RunEvent
    from outlive.ledger.effects import EffectRecord
    from outlive.plan_runs import Asked, PlanHandle

SHOWN_KEY = 12  # characters: what a person types
LAST_EVENTS = 20


@click.group()
def plan() -> None:
    """Start plans, rehearse them, look at them and cancel them."""


@plan.command()
@click.argument("name")
@click.option("--input", "request", metavar="JSON|@FILE", help="The plan's input, as JSON or from a file.")
@click.option("--id", "run_id", help="Id of the run, such as customers: the same again is the same run.")
@click.option("--shadow", is_flag=True, help="Rehearse it: effects are recorded, and not made.")
@click.option("--app", metavar="MODULE:APP", help="App that declares the plan.  [the one served last, or app.py]")
def start(name: str, request: str | None, run_id: str | None, shadow: bool, app: str | None) -> None:
    """Start the plan NAME; returns at once. Workers, such as those of `outlive up`, work on it."""

    async def run() -> None:
        from outlive.app import load_app
        from outlive.cli.agent_requests import said_worker_problem
        from outlive.cli.project import check_served
        from outlive.cli.references import required_app
        from outlive.client import Client
        from outlive.settings import Settings

        settings = Settings.load()
        reference = required_app(app, settings)
        check_served(settings, reference)
        async with Client(settings, app=load_app(reference)) as client:
            handle = await client.start_plan(name, _input(request), run_id=run_id, shadow=shadow)
            click.echo(handle.workflow_id)
            click.echo(f"Look at it with `outlive plan show {handle.plan}/{handle.run_id}`.", err=True)
            if problem := await said_worker_problem(client):
                click.echo(problem, err=True)

    asyncio.run(run())


@plan.command(name="list")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, help="How many, the latest first.")
@click.option("--json", "as_json", is_flag=True, help="For programs.")
def list_plans(limit: int, as_json: bool) -> None:
    """List the runs of plans."""

    async def run() -> None:
        from outlive.cli.asking import project
        from outlive.plan_runs import list_plans as listed

        async with project() as client:
            found = [health async for health in listed(await client.temporal(), limit=limit)]
        if as_json:
            rows = [{"id": one.workflow_id, "state": one.state, "started": _when(one.started_at)} for one in found]
            click.echo(json.dumps(rows, indent=2))
            return
        for one in found:
            tell(f"{one.workflow_id.removeprefix('plan/'):<40} {one.state:<10} {_when(one.started_at)}")
        if not found:
            click.echo("No plans yet. Start one with `outlive plan start NAME`.", err=True)

    asyncio.run(run())


@plan.command()
@click.argument("run_id", metavar="ID")
@click.option("--effects", "most", type=click.IntRange(min=0), help="How many effects to list.  [20; 0 for none]")
@click.option("--json", "as_json", is_flag=True, help="For programs: all of it.")
def show(run_id: str, most: int | None, as_json: bool) -> None:
    """Show where the plan's run ID stands: what it said, what it did or would do, and what it waits for."""

    async def run() -> None:
        from outlive.cli.asking import project

        async with project() as client:
            shown = await _Shown.of(await client.plan(run_id), limit=100_000 if as_json else _default(most))
        tell(json.dumps(shown.plain(), indent=2) if as_json else "\n".join(shown.lines()))

    asyncio.run(run())


@plan.command()
@click.argument("run_id", metavar="ID")
def cancel(run_id: str) -> None:
    """End the plan's run ID once its effects in flight have ended; nothing is taken back."""

    async def work(handle: "PlanHandle") -> None:
        await handle.cancel()
        click.echo(f"Cancellation is asked for. `outlive undo {handle.workflow_id}` takes back what it did.")

    _with_plan(run_id, work)


def _with_plan(run_id: str, work: "Callable[[PlanHandle], Awaitable[None]]") -> None:
    async def run() -> None:
        from outlive.cli.asking import project

        async with project() as client:
            await work(await client.plan(run_id))

    asyncio.run(run())


class _Shown:
    """One run, as `show` tells of it."""

    def __init__(
        self,
        handle: "PlanHandle",
        *,
        state: str,
        problem: str | None,
        asked: "Sequence[Asked]",
        events: "Sequence[RunEvent]",
        counts: dict[tuple[str, str], int],
        effects: "Sequence[tuple[EffectRecord, Any]]",
    ) -> None:
        self._handle = handle
        self._state = state
        self._problem = problem
        self._asked = asked
        self._events = events
        self._counts = counts
        self._effects = effects

    @classmethod
    async def of(cls, handle: "PlanHandle", *, limit: int) -> "_Shown":
        """Read it."""
        health = await handle.status()
        records = await handle.effects(limit=limit)
        return cls(
            handle,
            state=health.state,
            problem=health.problem,
            asked=await handle.asked(),
            events=await handle.logged(),
            counts=await handle.counts(),
            effects=[(record, await handle.arguments(record)) for record in records],
        )

    def plain(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "id": self._handle.workflow_id,
            "state": self._state,
            "problem": self._problem,
            "asks": [
                {
                    "run": one.workflow_id,
                    "question": one.question.question_id,
                    "reason": one.question.reason,
                    "choices": one.question.choices,
                    "about": one.question.about,
                }
                for one in self._asked
            ],
            "said": [event.data for event in self._events],
            "counts": [{"effect": name, "state": state, "count": n} for (name, state), n in self._counts.items()],
            "effects": [
                {"key": record.effect_key, "effect": record.name, "state": str(record.state), "args": args}
                for record, args in self._effects
            ],
        }

    def lines(self) -> list[str]:
        """Return it for a person."""
        found = [f"{self._handle.workflow_id}: {self._state}", *([self._problem] if self._problem else [])]
        found += [_said(event) for event in self._events[-LAST_EVENTS:]]
        found += [f"{count:,} {name}: {state}" for (name, state), count in self._counts.items()]
        found += [_made(record, args) for record, args in self._effects]
        total = sum(self._counts.values())
        if len(self._effects) < total:
            found.append(f"  … {total - len(self._effects):,} more: --effects {total}")
        for one in self._asked:
            found.append(f"It waits: {one.question.reason}")
            found.append(f"  outlive answer {one.question.question_id} {'|'.join(one.question.choices)}")
        return found


def _said(event: "RunEvent") -> str:
    return f"  {_when(datetime.fromtimestamp(event.at, tz=UTC))}  {event.data.get('text', '')}"


def _made(record: "EffectRecord", args: Any) -> str:
    return f"  {record.effect_key[:SHOWN_KEY]}  {record.state:<8}  {record.name}({_shortly(args)})"


def _shortly(args: Any) -> str:
    text = json.dumps(args)
    return text if len(text) <= 100 else f"{text[:100]}…"


def _default(most: int | None) -> int:
    return 20 if most is None else most


def _when(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).isoformat(timespec="seconds")


def _input(text: str | None) -> Any:
    if text is None or not text.startswith("@"):
        return None if text is None else _json(text, "--input")
    try:
        return _json(Path(text[1:]).read_text(encoding="utf-8"), "--input")
    except OSError as error:
        raise UsageError(f"--input names {text[1:]!r}, which cannot be read: {error.strerror}.") from error


def _json(text: str, option: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise UsageError(f"{option} is no JSON: {error}. Text goes in quotes: '\"yes\"'.") from error

"""``outlive workers``: who polls what, on which version; and which version new runs begin on."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from outlive.cli.terminal import tell

if TYPE_CHECKING:
    from temporalio.client import Client

    from outlive.engine.fleet import Deployment, SeenWorker
    from outlive.settings import Settings

T = TypeVar("T")


@click.group(invoke_without_command=True)
@click.option("--all", "of_all_queues", is_flag=True, help="Those of all task queues of the namespace.")
@click.option("--json", "as_json", is_flag=True, help="Machine-readable.")
@click.pass_context
def workers(context: click.Context, of_all_queues: bool, as_json: bool) -> None:
    """List the workers that poll this project's task queue, and the versions of the app that they serve.

    Workers tell of themselves every 5 s; one that has not for 15 s is shown as silent.

    With OUTLIVE_VERSIONING=true, `outlive worker` serves a version of the app's code, named by OUTLIVE_BUILD. The first
    one becomes current by itself; a later one with `outlive workers promote`. Runs stay on the version that they began
    with, so keep its workers until it has drained.
    """
    if context.invoked_subcommand is not None:
        return
    seen, deployments = _with_client(lambda client, settings: _look(client, settings, of_all_queues=of_all_queues))
    if as_json:
        found = {"workers": [asdict(one) for one in seen], "apps": [asdict(one) for one in deployments]}
        click.echo(json.dumps(found, indent=2, default=lambda moment: moment.isoformat()))
        return
    _print_workers(seen)
    for deployment in deployments:
        _print_versions(deployment)


@workers.command("promote")
@click.argument("build")
@click.option("--app", metavar="NAME", help="Name of the app; left out, that of the only one with versions.")
@click.option("--check", "checked", metavar="MODULE:APP", help="First replay the runs in flight with this code.")
@click.option("--force", is_flag=True, help="Also where no worker polls with it, or it serves fewer task queues.")
def promote_version(build: str, app: str | None, checked: str | None, force: bool) -> None:
    """Let new runs begin on the version BUILD."""
    from outlive.engine.fleet import promote

    async def change(client: "Client", settings: "Settings") -> tuple[str, str | None]:
        name = app or await _only_app(client, settings)
        if checked is not None:
            await _check(client, settings, checked)
        return name, await promote(client, name, build, force=force)

    name, before = _with_client(change)
    until_now = repr(before) if before else "workers without a version"
    click.echo(f"New runs of {name!r} begin on {build!r}; until now on {until_now}.")


@workers.command()
@click.option("--app", metavar="NAME", help="Name of the app; left out, that of the only one with versions.")
def rollback(app: str | None) -> None:
    """Let new runs begin on the version again that was current before."""
    from outlive.engine.fleet import promote, read_deployment
    from outlive.errors import DeploymentError

    async def change(client: "Client", settings: "Settings") -> tuple[str, str, str | None]:
        name = app or await _only_app(client, settings)
        found = await read_deployment(client, name)
        if found is None or found.previous is None:
            raise DeploymentError(f"App {name!r} has no earlier version that was current. `outlive workers` lists all.")
        return name, found.previous.build, await promote(client, name, found.previous.build)

    name, build, before = _with_client(change)
    click.echo(f"New runs of {name!r} begin on {build!r} again, no longer on {before!r}.")
    click.echo("Runs that began meanwhile stay where they are, unless the app declares versioning='auto_upgrade'.")


def _with_client(work: "Callable[[Client, Settings], Awaitable[T]]") -> T:
    from temporalio.service import RPCError

    from outlive.engine.connection import connect
    from outlive.errors import EngineUnavailable
    from outlive.settings import Settings

    async def run() -> T:
        settings = Settings.load()
        try:
            return await work(await connect(settings), settings)
        except RPCError as error:
            raise EngineUnavailable(f"The cluster did not tell of its workers: {error.message}.") from error

    return asyncio.run(run())


async def _look(
    client: "Client", settings: "Settings", *, of_all_queues: bool
) -> "tuple[list[SeenWorker], list[Deployment]]":
    from outlive.engine.fleet import list_workers, read_deployment

    seen = [one async for one in list_workers(client) if of_all_queues or one.task_queue == settings.task_queue]
    found = [await read_deployment(client, name) for name in sorted({one.app for one in seen if one.app})]
    return sorted(seen, key=lambda one: (one.task_queue, one.host, one.pid)), [one for one in found if one is not None]


async def _check(client: "Client", settings: "Settings", reference: str) -> None:
    """Refuse code that cannot go on with the runs in flight.

    Raises:
        DeploymentError: If there is one that would be stuck.
    """
    from outlive.app import load_app
    from outlive.errors import DeploymentError
    from outlive.worker.replaying import replay_runs

    logging.getLogger("temporalio").setLevel(logging.CRITICAL)  # tracebacks of what is told here
    replayed = [one async for one in replay_runs(client, load_app(reference), settings)]
    stuck = sum(one.fault is not None for one in replayed)
    if stuck:
        raise DeploymentError(
            f"{stuck} of {len(replayed)} runs in flight would be stuck with this code; nothing was changed. "
            f"`outlive check {reference}` names them."
        )


async def _only_app(client: "Client", settings: "Settings") -> str:
    from outlive.errors import DeploymentError

    _, deployments = await _look(client, settings, of_all_queues=False)
    if len(deployments) != 1:
        known = ", ".join(one.name for one in deployments) or "none"
        raise DeploymentError(
            f"Which app? Those with versions on {settings.task_queue!r}: {known}. Name it with --app."
        )
    return deployments[0].name


def _print_workers(seen: "list[SeenWorker]") -> None:
    if not seen:
        click.echo("No worker has told of itself. Start one with `outlive up` or `outlive worker`.")
        return
    now = datetime.now(tz=UTC)
    rows = [("QUEUE", "HOST", "PID", "STATE", "VERSION", "SLOTS", "HEARD")]
    for one in seen:
        heard = "-" if one.heard_at is None else f"{max(0.0, (now - one.heard_at).total_seconds()):.0f} s ago"
        slots = f"{one.used_slots} of {one.used_slots + one.free_slots}"
        rows.append((one.task_queue, one.host, one.pid, one.state, one.build or "-", slots, heard))
    _print_rows(rows)


def _print_versions(deployment: "Deployment") -> None:
    click.echo(f"\nVersions of {deployment.name!r}:")
    _print_rows([(f"  {version.build}", version.state.value) for version in deployment.versions])
    if deployment.current is None:
        click.echo("None of them is current: nothing is given out to them. `outlive workers promote BUILD` mends it.")


def _print_rows(rows: list[tuple[Any, ...]]) -> None:
    widths = [max(len(str(row[column])) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        tell("  ".join(str(cell).ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

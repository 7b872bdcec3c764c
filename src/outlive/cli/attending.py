"""Doing something with a run that only a worker can answer, and saying what keeps it from being done."""

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from outlive.client import Client
    from outlive.runs import RunHandle

    Find = Callable[[Client], Awaitable[RunHandle[Any]]]
    Work = Callable[[RunHandle[Any]], Awaitable[None]]
    DeskWork = Callable[[Client, RunHandle[Any]], Awaitable[None]]

EXIT_INTERRUPTED = 130
APP_HELP = "App to serve, where no worker is up.  [the one served last, or app.py]"


def with_run(run_id: str, app: str | None, work: "Work") -> None:
    """Do something with a run that an id means."""

    async def alone(_: "Client", handle: "RunHandle[Any]") -> None:
        await work(handle)

    with_found(lambda client: client.run(run_id), app, alone)


def with_hand_off(hand_off_id: str, app: str | None, work: "DeskWork") -> None:
    """Do something with a hand-off, and the run that it is of."""

    async def found(client: "Client") -> "RunHandle[Any]":
        from outlive.runs import RunHandle

        return RunHandle(client, (await client.desk.get(hand_off_id)).workflow_id)

    with_found(found, app, work)


def with_found(find: "Find", app: str | None, work: "DeskWork") -> None:
    """Do something with a run that is found first."""
    try:
        asyncio.run(_attended(find, app, work))
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise SystemExit(EXIT_INTERRUPTED) from None


async def _attended(find: "Find", app: str | None, work: "DeskWork") -> None:
    from outlive.cli.run_following import STARTING_SECONDS, TROUBLE_SECONDS, patiently, telling_troubles
    from outlive.cli.run_view import RunView

    async with _opened(app) as (client, is_ours):
        handle = await patiently(lambda: find(client))
        view = RunView(
            run=f"{handle.agent}/{handle.run_id}", lines_to=sys.stderr, text_to=sys.stderr, streams=False, asks=False
        )
        async with telling_troubles(handle, view, patience=STARTING_SECONDS if is_ours else TROUBLE_SECONDS):
            await work(client, handle)
        if is_ours:
            click.echo("It is worked on when `outlive up` or `outlive run` serves it again.", err=True)


@contextlib.asynccontextmanager
async def _opened(app: str | None) -> "AsyncIterator[tuple[Client, bool]]":
    from outlive.cli.project import running_project
    from outlive.cli.references import required_app
    from outlive.client import Client
    from outlive.settings import Settings

    settings = Settings.load()
    reference = required_app(app, settings)
    async with Client(settings) as client, running_project(client, workers=1, app=reference) as project:
        yield client, project.is_ours

"""``outlive up``: the engine and the workers of a project, until Ctrl-C."""

import asyncio
import contextlib
import signal
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from outlive.errors import EngineOwned

if TYPE_CHECKING:
    from temporalio.client import Client

    from outlive.cli.api_process import ApiProcess
    from outlive.settings import Settings
    from outlive.worker.supervisor import Event, Supervisor

EXIT_OWNED = 2
API_PORT = 8234  # as `outlive serve` takes; the server itself takes a second to import


@click.command()
@click.argument("app", required=False, metavar="[MODULE:APP]")
@click.option(
    "--workers",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    help="Worker processes. With 2, one serves while the other is replaced; 0 runs the engine alone.",
)
@click.option("--no-reload", is_flag=True, help="Do not start workers anew when the app's files change.")
@click.option("--no-api", is_flag=True, help="Serve neither the console nor the HTTP API.")
@click.option("--no-console", is_flag=True, help="Serve the HTTP API without the pages of the console.")
@click.option(
    "--api-port",
    type=click.IntRange(1, 65_535),
    help="Port of console and API.  [that of last time, 8234, or any free one]",
)
def up(  # noqa: PLR0917 - each is an option
    app: str | None, workers: int, no_reload: bool, no_api: bool, no_console: bool, api_port: int | None
) -> None:
    """Run the engine and the workers of this project, until Ctrl-C.

    MODULE:APP is the app to serve, such as support:app for `app` in support.py. Without it, the app that was served
    last is served again, or that of app.py; where there is neither, what `outlive analyze` needs.

    With TEMPORAL_ADDRESS or a profile set, no engine is started; the workers serve that cluster.
    """
    from outlive.cli.references import check_module, default_app
    from outlive.settings import Settings

    settings = Settings.load()
    app = app or default_app(settings)
    if app is not None:
        check_module(app)
    served = None if no_api else _Served(port=api_port or 0, has_pages=not no_console)
    try:
        asyncio.run(_up(settings, app=app, workers=workers, reload=not no_reload, serve=served))
    except EngineOwned as error:
        click.echo(f"Error: {error}", err=True)
        sys.exit(EXIT_OWNED)


@dataclass(frozen=True, kw_only=True)
class _Served:
    """What is served over HTTP besides; port 0 takes any."""

    port: int
    has_pages: bool


async def _up(settings: "Settings", *, app: str | None, workers: int, reload: bool, serve: _Served | None) -> None:
    from outlive.cli.api_process import ApiProcess
    from outlive.worker.supervisor import Event, Reloaded, Supervisor

    served: list[ApiProcess] = []
    tasks: set[asyncio.Task[None]] = set()

    def tell(event: Event) -> None:
        _tell(event)
        if isinstance(event, Reloaded):
            tasks.update(asyncio.create_task(process.restart()) for process in served)

    supervisor = Supervisor(settings, app=app, workers=workers, on_event=tell, reload=reload, keeps_house=True)
    starting = asyncio.create_task(supervisor.start())
    _stop_on_signals(supervisor, starting)
    try:
        await starting
    except asyncio.CancelledError:
        return  # stopped while starting; the supervisor has cleaned up after itself
    greeting = asyncio.create_task(_say_when_ready(settings, workers=workers))
    try:
        _greet(supervisor, app=app, workers=workers)
        if serve is not None:
            served.append(_api_process(settings, app=app, serve=serve))
            tasks.add(asyncio.create_task(served[0].keep()))
        await supervisor.run()
    finally:
        for task in (greeting, *tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        _say("Stopping: the workers finish the documents in flight. Ctrl-C again stops at once.")
        await supervisor.stop()


def _stop_on_signals(supervisor: "Supervisor", starting: "asyncio.Task[None]") -> None:
    def stop() -> None:
        starting.cancel()
        supervisor.ask_stop()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop)


def _greet(supervisor: "Supervisor", *, app: str | None, workers: int) -> None:
    if supervisor.engine_pid is None:
        click.echo(f"Temporal     {supervisor.address} (configured; no engine was started)")
    else:
        click.echo(f"Temporal     {supervisor.address} (engine process {supervisor.engine_pid})")
        click.echo(f"Web UI       {supervisor.ui_address}")
    click.echo(f"State        {supervisor.home.path}")
    click.echo(f"Workers      {workers}, serving {app or 'the built-in functions'}; logs in {supervisor.home.logs}")
    if workers:
        click.echo("Starting the workers: what they serve is imported first.")


def _api_process(settings: "Settings", *, app: str | None, serve: _Served) -> "ApiProcess":
    from outlive.cli.api_process import ApiProcess
    from outlive.engine.home import Home
    from outlive.engine.ports import LOOPBACK, free_port

    home = Home(settings.home)
    chosen = serve.port or settings.api_port or free_port(preferred=home.recorded_console_port() or API_PORT)
    home.record_console_port(chosen)
    address = f"http://{LOOPBACK}:{chosen}"
    if serve.has_pages:
        click.echo(f"Console      {address}/")
    click.echo(f"API          {address}/v1 (described by /openapi.json)")
    return ApiProcess(settings, app=app, port=chosen, say=_say, has_pages=serve.has_pages)


async def _say_when_ready(settings: "Settings", *, workers: int) -> None:
    """Say that all is ready once a worker polls: what is started from then on begins at once."""
    from outlive.engine.connection import connect
    from outlive.engine.run_health import until_served

    known: list[Client] = []

    async def connection() -> "Client":
        if not known:
            known.append(await connect(settings))
        return known[0]

    if workers:
        await until_served(connection, settings)
    _say("Ready. Ctrl-C stops everything.")


def _tell(event: "Event") -> None:
    from outlive.cli.happenings import line_for

    if line := line_for(event):
        _say(line)


def _say(line: str) -> None:
    with contextlib.suppress(OSError):  # a closed terminal or pipe is no reason to let the engine die
        click.echo(line)

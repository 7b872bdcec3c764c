"""Engine and workers for a command that needs them: those that are up, or its own for as long as it runs."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator

import click
from temporalio.service import RPCError

from outlive.cli.happenings import line_for
from outlive.cli.references import is_same_app
from outlive.client import Client
from outlive.engine.connection import configured_cluster
from outlive.engine.health import count_pollers
from outlive.engine.home import Home
from outlive.errors import AppError, EngineOwned, EngineUnavailable, OutliveError
from outlive.settings import Settings
from outlive.worker.supervisor import Event, Supervisor

LOOK_SECONDS = 1.0
STARTING_SECONDS = 15.0  # that a worker may take to come up on a busy machine
OWNER_PATIENCE = 60.0
"""Seconds that the owner of the state folder has to come up with an engine, before we say that it does not."""


@contextlib.asynccontextmanager
async def running_project(client: Client, *, workers: int, app: str | None = None) -> AsyncIterator["Caretaker"]:
    """Use the engine and workers that are up, or run them for the length of the block.

    Those of somebody else may go away meanwhile, such as those of another `outlive analyze` that has finished: then
    this process takes over.

    Args:
        workers: How many worker processes, where none are up.
        app: ``MODULE:APP`` that the workers have to serve; None is content with any: all serve the built-in functions.

    Raises:
        AppError: If the workers that are up serve another app.
        OutliveError: If there are none, and none can be started; also in the middle of the block.
    """
    caretaker = Caretaker(client, workers=workers, app=app)
    body = asyncio.current_task()
    assert body is not None
    failures: list[BaseException] = []

    def look_at(ended: "asyncio.Task[None]") -> None:
        if not ended.cancelled() and (error := ended.exception()) is not None:
            failures.append(error)
            body.cancel()

    try:
        await caretaker.begin()
        care = asyncio.create_task(caretaker.care())
        care.add_done_callback(look_at)
        try:
            yield caretaker
        except asyncio.CancelledError:
            if not failures:
                raise
            body.uncancel()
            raise failures[0] from None
        finally:
            care.cancel()
            await asyncio.gather(care, return_exceptions=True)
    finally:
        await caretaker.stop()


class Caretaker:
    """Sees to it that somebody runs the project's engine and workers."""

    def __init__(self, client: Client, *, workers: int, app: str | None = None) -> None:
        self._client = client
        self._home = Home(client.settings.home)
        self._worker_count = workers
        self._app = app
        self._served_before: str | None = None
        self._untold: list[Event] | None = None
        self._own: Supervisor | None = None
        self._running: asyncio.Task[None] | None = None
        self._retiring: list[asyncio.Task[None]] = []
        self._has_engine = False

    @property
    def is_ours(self) -> bool:
        """Whether this process runs the workers: they stop with it."""
        return self._own is not None

    async def begin(self) -> None:
        """Return once somebody serves the project, be it we."""
        deadline = asyncio.get_running_loop().time() + OWNER_PATIENCE
        while True:
            try:
                if await self._is_served():
                    return
                if self._workers_may_be_coming():
                    await asyncio.sleep(LOOK_SECONDS)
                    continue
                await self._take_over()
            except EngineOwned:  # somebody else comes up, or goes down, in this very moment
                if asyncio.get_running_loop().time() > deadline:
                    raise
                await asyncio.sleep(LOOK_SECONDS)
            else:
                return

    async def care(self) -> None:
        """Go on looking; ends only by an error."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if self._running is not None and self._running.done():
                self._running.result()
            if self._own is not None and (self._has_engine or self._others_are_there()):
                continue
            with contextlib.suppress(EngineOwned):
                if not await self._still_served():
                    self._retire()
                    await self._take_over()

    async def stop(self) -> None:
        """Stop what we run ourselves."""
        self._retire()
        await asyncio.gather(*self._retiring)

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Keep what happens to our engine and workers to ourselves for as long as the block runs, and tell it then.

        Where the block fails, its error is what there is to say, and the app is not remembered as the project's.
        """
        self._untold = []
        try:
            yield
            untold, self._untold = self._untold, None
            for event in untold:
                self._tell(event)
        except BaseException:
            self._untold = []
            if self.is_ours:
                self._home.record_app(self._served_before)
            raise

    def _tell(self, event: Event) -> None:
        if self._untold is not None:
            self._untold.append(event)
        elif line := line_for(event):
            click.echo(line, err=True)

    def _retire(self) -> None:
        """Begin to stop what we run; workers drain more quickly where a new engine comes up meanwhile."""
        if self._running is not None:
            self._running.cancel()
            self._running = None
        if self._own is not None:
            self._retiring.append(asyncio.create_task(self._own.stop()))
            self._own = None

    async def _take_over(self) -> None:
        self._has_engine = not self._others_are_there()
        self._served_before = self._home.recorded_app()
        supervisor = Supervisor(
            self._client.settings,
            app=self._app,
            workers=self._worker_count,
            engine=self._has_engine,
            on_event=self._tell,
        )
        await supervisor.start()
        if not self._has_engine:  # its owner runs no workers, and has recorded none
            self._home.record_app(self._app)
        self._own = supervisor
        self._running = asyncio.create_task(supervisor.run())

    def _workers_may_be_coming(self) -> bool:
        """Whether the owner has only just begun: its workers import what they serve, which takes seconds."""
        if not self._home.is_owned():
            return False
        try:
            began = self._home.lock_file.stat().st_mtime
        except OSError:
            return False
        return time.time() - began < STARTING_SECONDS

    def _others_are_there(self) -> bool:
        return configured_cluster() or self._home.live_state() is not None

    async def _is_served(self) -> bool:
        if not self._others_are_there():
            return False
        temporal = await self._client.temporal()
        try:
            has_workers = await count_pollers(temporal, self._client.settings.task_queue) > 0
        except RPCError as error:
            raise EngineUnavailable(
                f"The engine does not answer: {error.message}. `outlive doctor` says more."
            ) from error
        if has_workers and self._app is not None:
            check_served(self._client.settings, self._app)
        return has_workers

    async def _still_served(self) -> bool:
        try:
            return await self._is_served()
        except OutliveError:  # its owner lives and starts it again, or is going away: the next look tells
            return self._others_are_there()


def check_served(settings: Settings, app: str) -> None:
    """Refuse to go on where the project's workers serve another app: what is started would wait for them in vain.

    Raises:
        AppError: If they do. Workers on other machines do not say what they serve.
    """
    home = Home(settings.home)
    served = home.recorded_app()
    if home.is_owned() and (served is None or not is_same_app(served, app)):
        raise AppError(
            f"The workers of this project serve {served or 'the built-in functions alone'}, not {app}. "
            "Stop what runs them first (`outlive engine status` says whose they are), or name their app with --app."
        )

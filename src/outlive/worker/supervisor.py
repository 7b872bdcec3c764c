"""One owner for all that a project needs running: the engine, and the worker processes."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from outlive.engine.connection import read_cluster
from outlive.engine.events import EngineEvent, ignore_event
from outlive.engine.home import Home
from outlive.engine.logfile import LogFile
from outlive.engine.server import LOG_LOOK, EngineServer
from outlive.errors import EngineFailed
from outlive.settings import Settings
from outlive.worker.children import WorkerChild, worker_command
from outlive.worker.sources import Stamps, app_sources, changed, stamps_of, syntax_fault
from outlive.worker.upkeep import HousekeepingFailed, Upkeep

QUICK_DEATH = 10.0  # seconds: a worker that lived longer was well
RESTART_PAUSES = (0.0, 0.5, 1.0, 2.0, 5.0, 10.0)  # seconds before a restart, by quick deaths in a row
SOURCE_LOOK = 1.0  # seconds between two looks at the app's files


@dataclass(frozen=True, kw_only=True)
class WorkerStarted:
    """A worker process was started. That it serves is seen at the task queue.

    Attributes:
        restarts: How often this worker was started before.
    """

    index: int
    pid: int
    log: Path
    restarts: int = 0


@dataclass(frozen=True, kw_only=True)
class WorkerDied:
    """A worker process ended without being asked to.

    Attributes:
        status: Exit status; negative for the signal that killed it.
        restart_in: Seconds until it is started again.
        quick_deaths: How often in a row it died soon after its start; from 2 on something is wrong with it.
        last_words: The end of what it wrote.
    """

    index: int
    pid: int
    status: int
    restart_in: float
    quick_deaths: int
    last_words: str


@dataclass(frozen=True, kw_only=True)
class Reloaded:
    """The app's files changed, and all workers run the new code."""

    changed: tuple[Path, ...]


@dataclass(frozen=True, kw_only=True)
class ReloadRefused:
    """The app's files changed, but are no valid Python: the workers go on with the old code."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class WorkerSeen:
    """One of the workers as it is now.

    Attributes:
        pid: None while it is being started again.
        restarts: How often it was started again.
    """

    index: int
    pid: int | None
    restarts: int


Event = EngineEvent | WorkerStarted | WorkerDied | Reloaded | ReloadRefused | HousekeepingFailed
OnEvent = Callable[[Event], None]


class Supervisor:
    """The engine and the workers of one project, started, kept alive and stopped together.

    With a configured cluster (``TEMPORAL_ADDRESS``, a profile) it starts no engine. It then owns the state folder
    together with others who do the same, since nothing in it is for one process alone; an engine of ours and
    ``outlive engine restore`` stay shut out for as long.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        app: str | None = None,
        workers: int = 1,
        engine: bool = True,
        on_event: OnEvent = ignore_event,
        command: Sequence[str] | None = None,
        reload: bool = True,
        keeps_house: bool = False,
    ) -> None:
        """Describe what to run; nothing is started.

        Args:
            app: ``MODULE:APP`` for the workers; None serves the built-in functions alone.
            workers: How many worker processes.
            engine: False starts workers alone, for an engine that somebody else owns.
            on_event: Called with everything that a person may want to hear of, on the event loop.
            command: What to start as a worker; None starts ``python -m outlive.worker``.
            reload: Whether workers are started anew when the app's files change.
            keeps_house: Whether what no run needs any more is removed, each `Settings.housekeeping_hours`.
        """
        self.home = Home(settings.home)
        self._settings = settings
        self._app = app
        self._worker_count = workers
        self._with_engine = engine
        self._on_event = on_event
        self._command = list(command) if command is not None else worker_command(app)
        self._reload = reload and app is not None
        self._upkeep = Upkeep(settings, on_event) if keeps_house and settings.housekeeping_hours else None
        self._cluster = read_cluster()
        self._engine: EngineServer | None = None
        self._stack = AsyncExitStack()
        self._slots: list[_WorkerSlot] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._stop_asked = asyncio.Event()

    @property
    def address(self) -> str:
        """``host:port`` of the Temporal server in use."""
        if self._cluster:
            return self._cluster.address
        if self._engine:
            return self._engine.address
        state = self.home.live_state()
        return state.address if state else ""

    @property
    def ui_address(self) -> str | None:
        """URL of Temporal's Web UI; None for a configured cluster, whose UI is not known."""
        if self._engine:
            return self._engine.ui_address
        state = None if self._cluster else self.home.live_state()
        return state.ui_address if state else None

    @property
    def engine_pid(self) -> int | None:
        """Process id of the engine; None where this supervisor runs none."""
        return self._engine.pid if self._engine else None

    @property
    def worker_pids(self) -> list[int]:
        """Process ids of the workers that are alive."""
        return [slot.child.pid for slot in self._slots if slot.child is not None]

    @property
    def workers(self) -> list[WorkerSeen]:
        """The workers, in their order."""
        return [slot.seen() for slot in self._slots]

    async def start(self) -> None:
        """Start the engine and the workers; return when the engine answers.

        Raises:
            EngineOwned: Where another process owns the state folder.
            EngineFailed: Where the engine does not start.
        """
        folder = Path.cwd()
        seen = self._look(folder) if self._reload else {}  # before the workers read them: no change goes unseen
        try:
            if self._cluster:
                await self._stack.enter_async_context(self.home.own(shared=True))
            elif self._with_engine:
                await self._stack.enter_async_context(self.home.own())
                self._engine = EngineServer(self.home, self._settings, on_event=self._on_event)
                await self._stack.enter_async_context(self._engine)
            if self._worker_count and (self._cluster or self._with_engine):
                self.home.record_app(self._app)
            self._slots = [self._slot(index) for index in range(self._worker_count)]
            await asyncio.gather(*(slot.start() for slot in self._slots))
            self._tasks = [asyncio.create_task(slot.keep_alive()) for slot in self._slots]
            self._tasks.append(asyncio.create_task(self._keep_logs_small()))
            if self._upkeep:
                self._tasks.append(asyncio.create_task(self._upkeep.go_on()))
            if self._reload:
                self._tasks.append(asyncio.create_task(self._watch_sources(folder, seen)))
        except BaseException:
            await self.stop()
            raise

    async def run(self) -> None:
        """Go on until ``ask_stop`` is called.

        Raises:
            EngineFailed: When the engine was given up.
        """
        own: list[asyncio.Task[None]] = [asyncio.create_task(_wait_for(self._stop_asked))]
        if self._engine:
            own.append(asyncio.create_task(_fail_with(self._engine)))
        try:
            done, _ = await asyncio.wait([*own, *self._tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()  # one that keeps something alive ends only by an error
        finally:
            for task in own:
                task.cancel()
            await asyncio.gather(*own, return_exceptions=True)

    def ask_stop(self) -> None:
        """Let ``run`` return. Asked a second time, kill the workers instead of waiting for them.

        Safe to call from a signal handler of the event loop.
        """
        if self._stop_asked.is_set():
            for slot in self._slots:
                slot.kill()
        self._stop_asked.set()

    async def stop(self) -> None:
        """Drain and stop the workers, then the engine, and give the state folder free. Nothing is left running."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        await asyncio.gather(*(slot.stop() for slot in self._slots))
        self._slots = []
        await self._stack.aclose()
        self._engine = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _slot(self, index: int) -> "_WorkerSlot":
        self.home.create()
        log = LogFile(self.home.logs / f"worker-{index}.log")
        return _WorkerSlot(index, command=self._command, settings=self._settings, log=log, on_event=self._on_event)

    async def _keep_logs_small(self) -> None:
        while True:
            await asyncio.sleep(LOG_LOOK)
            for slot in self._slots:
                await asyncio.to_thread(slot.log.rotate_if_large)

    async def _watch_sources(self, folder: Path, seen: Stamps) -> None:
        while True:
            await asyncio.sleep(SOURCE_LOOK)
            now = await asyncio.to_thread(self._look, folder)
            if not (paths := changed(seen, now)):
                continue
            seen = now
            if fault := syntax_fault(set(now)):
                self._on_event(ReloadRefused(reason=fault))
                continue
            for slot in self._slots:  # one after the other: the others go on serving meanwhile
                await slot.restart()
            self._on_event(Reloaded(changed=paths))

    def _look(self, folder: Path) -> Stamps:
        return stamps_of(app_sources(self._app or "", folder))


class _WorkerSlot:
    """One of the supervisor's workers over all its processes."""

    def __init__(
        self, index: int, *, command: Sequence[str], settings: Settings, log: LogFile, on_event: OnEvent
    ) -> None:
        self.child: WorkerChild | None = None
        self.log = log
        self._index = index
        self._command = command
        self._settings = settings
        self._on_event = on_event
        self._fresh_start = asyncio.Event()
        self._restarts = -1
        self._born = 0.0

    async def start(self) -> None:
        """Start the worker process.

        Raises:
            EngineFailed: Where its program does not run.
        """
        command = self._command
        try:
            child = await WorkerChild.start(command, index=self._index, settings=self._settings, log=self.log)
        except OSError as error:
            raise EngineFailed(f"The worker `{' '.join(command)}` does not start: {error}.") from error
        self.child = child
        self._born = asyncio.get_running_loop().time()
        self._restarts += 1
        self._fresh_start.clear()
        started = WorkerStarted(index=self._index, pid=child.pid, log=self.log.path, restarts=self._restarts)
        self._on_event(started)

    async def keep_alive(self) -> None:
        """Start the worker again whenever it ends."""
        quick_deaths = 0
        while self.child is not None:
            child = self.child
            status = await child.wait()
            self.child = None
            child.close()
            if self._fresh_start.is_set():
                quick_deaths = 0
            else:
                lived = asyncio.get_running_loop().time() - self._born
                quick_deaths = quick_deaths + 1 if lived < QUICK_DEATH else 1
                pause = RESTART_PAUSES[min(quick_deaths, len(RESTART_PAUSES)) - 1]
                self._on_event(self._obituary(child, status, pause, quick_deaths))
                await self._pause(pause)
            await self.start()

    def seen(self) -> WorkerSeen:
        """Return the worker as it is now."""
        pid = self.child.pid if self.child is not None else None
        return WorkerSeen(index=self._index, pid=pid, restarts=max(0, self._restarts))

    async def restart(self) -> None:
        """Drain the worker and start it anew; cuts the pause short where it is waiting to be started."""
        self._fresh_start.set()
        if self.child is not None:
            await self.child.stop(drain_timeout=self._settings.drain_timeout)

    async def stop(self) -> None:
        """Drain and end the worker; ``keep_alive`` was cancelled before."""
        if self.child is not None:
            await self.child.stop(drain_timeout=self._settings.drain_timeout)
            self.child.close()
            self.child = None

    def kill(self) -> None:
        """End the worker's process now."""
        if self.child is not None:
            self.child.kill()

    def _obituary(self, child: WorkerChild, status: int, pause: float, quick_deaths: int) -> WorkerDied:
        return WorkerDied(
            index=self._index,
            pid=child.pid,
            status=status,
            restart_in=pause,
            quick_deaths=quick_deaths,
            last_words=child.last_words(),
        )

    async def _pause(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._fresh_start.wait(), seconds)
        except TimeoutError:
            return


async def _wait_for(event: asyncio.Event) -> None:
    await event.wait()


async def _fail_with(engine: EngineServer) -> None:
    raise await engine.wait_failed()

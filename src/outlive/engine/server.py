"""The engine of one machine: Temporal's dev server as a supervised child process on the project's own file."""

import asyncio
import contextlib
import os
import secrets
import shutil
import time
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Self

from outlive.engine.binary import (
    CLOSED_HOST_PREFIX,
    UI_PATH,
    Binary,
    Ports,
    engine_environment,
    find_binary,
    start_command,
)
from outlive.engine.carry import DAMAGE_MEND
from outlive.engine.connection import answers, answers_to_host, set_retention
from outlive.engine.events import (
    EngineDied,
    EngineGivenUp,
    EngineStarted,
    OnEngineEvent,
    ignore_event,
)
from outlive.engine.home import EngineState, Home
from outlive.engine.logfile import LogFile, spawn_logged
from outlive.engine.ports import LOOPBACK, free_port, is_free
from outlive.engine.preparation import end_orphans, prepare_file, record_version
from outlive.engine.processes import end, wait_ready
from outlive.errors import EngineFailed
from outlive.settings import Settings

USUAL_PORT, USUAL_UI_PORT = 7233, 8233
START_TIMEOUT = 60.0  # seconds; 0.4 to 1.4 on an idle machine
STOP_GRACE = 10.0  # seconds; it takes 1.1
LOG_LOOK = 2.0  # seconds between two looks at the size of the log
QUICK_DEATH = 10.0  # seconds: an engine that lived longer was well, and so was one that answered and was then killed
QUICK_DEATHS_ALLOWED = 5
RESTART_PAUSES = (0.0, 0.25, 0.5, 1.0, 2.0)  # seconds before the first, second, … restart after quick deaths
NO_DISK = 4_000_000  # bytes; SQLite writes its WAL in pieces of up to that size
DISK_FULL = "the disk is full"
DAMAGE_WORDS = ("malformed", "not a database", "no such table")
PORT_ATTEMPTS = 3
PORT_TAKEN = "address already in use"
PORT_MEND = "Stop what listens there, or choose another port with OUTLIVE_PORT."


class EngineServer:
    """One engine, from ``start`` to ``stop``. Whoever starts it owns the home (``Home.own``) for as long.

    It is started again when it dies, always on the same ports, so that clients and workers find it again by
    themselves. An engine that keeps dying at once is given up, with the end of its log as the reason.

    Attributes:
        state: Where it is reached; None until it was started.
    """

    def __init__(
        self,
        home: Home,
        settings: Settings,
        *,
        on_event: OnEngineEvent = ignore_event,
        binary: Path | None = None,
    ) -> None:
        self.home = home
        self.state: EngineState | None = None
        self._settings = settings
        self._on_event = on_event
        self._binary_path = binary
        self._process: asyncio.subprocess.Process | None = None
        self._log = LogFile(home.logs / "engine.log")
        self._closed_host = CLOSED_HOST_PREFIX + secrets.token_hex(8)
        self._tasks: list[asyncio.Task[None]] = []
        self._restarts = 0
        self._failure: asyncio.Future[EngineFailed] | None = None

    @property
    def address(self) -> str:
        """``host:port`` of Temporal's gRPC service."""
        return self._started().address

    @property
    def ui_address(self) -> str:
        """URL of Temporal's Web UI."""
        return self._started().ui_address

    @property
    def pid(self) -> int:
        """Process id of the engine; another one after a restart."""
        return self._started().engine_pid

    async def start(self) -> EngineState:
        """Start the engine and return when it answers.

        Raises:
            EngineFailed: Where the program is missing, its file cannot be used, or it does not come up; with the
                end of its log.
        """
        try:
            return await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> EngineState:
        self.home.create()
        binary = await find_binary(self._binary_path)
        await end_orphans(self.home, on_event=self._on_event)
        await prepare_file(self.home, binary, on_event=self._on_event)
        await self._start_on_free_ports(binary)
        record_version(self.home, binary)
        await set_retention(self.address, timedelta(days=self._settings.retention_days))
        self._failure = asyncio.get_running_loop().create_future()
        keeper = asyncio.create_task(self._keep_alive(binary))
        keeper.add_done_callback(self._note_end)
        self._tasks = [keeper, asyncio.create_task(self._keep_log_small())]
        return self._started()

    async def stop(self) -> None:
        """Stop the engine and return when its process is gone. Harmless when it was never started."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._process is not None:
            await end(self._process, grace=STOP_GRACE)
            self._process = None
        self.home.forget_state()

    async def wait_failed(self) -> EngineFailed:
        """Return why the engine was given up; waits for as long as it is well."""
        if self._failure is None:
            raise EngineFailed("The engine was not started.")
        return await asyncio.shield(self._failure)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    def _started(self) -> EngineState:
        if self.state is None:
            raise EngineFailed("The engine was not started.")
        return self.state

    async def _start_on_free_ports(self, binary: Binary) -> None:
        for attempt in range(1, PORT_ATTEMPTS + 1):
            ports = self._choose_ports(usual=attempt == 1)
            try:
                await self._launch(binary, ports)
            except EngineFailed as error:
                # Somebody took a port between our look and the engine's: only a port that the user chose is final.
                if PORT_TAKEN not in str(error) or attempt == PORT_ATTEMPTS:
                    raise
            else:
                return

    def _choose_ports(self, *, usual: bool) -> Ports:
        grpc = self._settings.port or free_port(preferred=USUAL_PORT if usual else 0)
        ui = self._settings.ui_port or free_port(preferred=USUAL_UI_PORT if usual else 0, taken=frozenset({grpc}))
        http = free_port(taken=frozenset({grpc, ui}))
        return Ports(grpc=grpc, ui=ui, http=http, metrics=free_port(taken=frozenset({grpc, ui, http})))

    async def _launch(self, binary: Binary, ports: Ports) -> None:
        began = time.monotonic()
        if not is_free(ports.grpc):
            raise EngineFailed(f"Port {ports.grpc}: {PORT_TAKEN}. {PORT_MEND}")
        command = start_command(
            binary,
            db=self.home.engine_db,
            ports=ports,
            synchronous=self._settings.synchronous,
            closed_host=self._closed_host,
            fair=self._settings.fairness,
        )
        try:
            self._log.rotate_if_large()
            log_start = self._log.size()
            process = await spawn_logged(command, environment=engine_environment(), log=self._log)
            self._process = process
            self._record(_state(ports, process.pid, binary))
        except OSError as error:
            raise EngineFailed(f"The engine could not be started: {error}.") from error
        await self._until_ready(process, log_start)
        self._on_event(
            EngineStarted(
                address=self.address,
                ui_address=self.ui_address,
                pid=process.pid,
                seconds=time.monotonic() - began,
                restarts=self._restarts,
            )
        )

    def _record(self, state: EngineState) -> None:
        is_restart, self.state = self.state is not None, state
        try:
            self.home.write_state(state)
        except OSError:
            if not is_restart:
                raise  # a full disk must not keep an engine from coming back: its address is recorded already

    async def _until_ready(self, process: asyncio.subprocess.Process, log_start: int) -> None:
        try:
            is_ready = await wait_ready(process, self._is_ready, patience=START_TIMEOUT)
        except TimeoutError as error:
            await end(process, grace=STOP_GRACE)
            raise EngineFailed(self._reason(f"did not answer within {START_TIMEOUT:.0f} s", log_start)) from error
        if not is_ready:
            raise EngineFailed(self._reason(f"ended with status {process.returncode} at its start", log_start))

    async def _is_ready(self) -> bool:
        state = self._started()
        return await answers_to_host(state.http_address, f"{self._closed_host}.invalid") and await answers(
            state.address
        )

    async def _keep_alive(self, binary: Binary) -> None:
        ports = _ports(self._started())
        quick_deaths = 0
        born, is_ready = time.monotonic(), True
        while self._process is not None:
            status = await self._process.wait()
            was_well = is_ready and (status < 0 or time.monotonic() - born > QUICK_DEATH)
            quick_deaths = 1 if was_well else quick_deaths + 1
            is_full = self._is_disk_full()
            if quick_deaths > QUICK_DEATHS_ALLOWED and not is_full:
                self._give_up(status)
                return
            pause = RESTART_PAUSES[min(quick_deaths, len(RESTART_PAUSES)) - 1]
            reason = DISK_FULL if is_full else ""
            self._on_event(EngineDied(pid=self._process.pid, status=status, restart_in=pause, reason=reason))
            await asyncio.sleep(pause)
            self._restarts += 1
            born = time.monotonic()
            try:
                await self._launch(binary, ports)
            except EngineFailed:
                is_ready = False  # a quick death, as soon as its status is looked at
            else:
                is_ready = True

    def _is_disk_full(self) -> bool:
        """Return whether that is why it does not come up: then it is tried until there is room, not given up."""
        return shutil.disk_usage(self.home.path).free < NO_DISK

    def _give_up(self, status: int) -> None:
        what = f"died {QUICK_DEATHS_ALLOWED + 1} times in a row, last with status {status}"
        error = EngineFailed(self._reason(what, 0))
        self._fail(error)
        self._on_event(EngineGivenUp(reason=str(error)))

    def _note_end(self, keeper: asyncio.Task[None]) -> None:
        if not keeper.cancelled() and (error := keeper.exception()):
            failure = EngineFailed(f"The engine is no longer looked after: {error!r}.")
            failure.__cause__ = error
            self._fail(failure)

    def _fail(self, error: EngineFailed) -> None:
        if self._failure is not None and not self._failure.done():
            self._failure.set_result(error)

    async def _keep_log_small(self) -> None:
        while True:
            await asyncio.sleep(LOG_LOOK)
            with contextlib.suppress(OSError):  # looked at again in a moment
                await asyncio.to_thread(self._log.rotate_if_large)

    def _reason(self, what: str, log_start: int) -> str:
        gist = self._log.gist(since=log_start)
        said = f" It said:\n{gist}" if gist else ""
        mend = f"\n{DAMAGE_MEND}" if any(word in gist for word in DAMAGE_WORDS) else ""
        return f"The engine on {str(self.home.engine_db)!r} {what}; its log is {str(self._log.path)!r}.{said}{mend}"


def _state(ports: Ports, pid: int, binary: Binary) -> EngineState:
    return EngineState(
        address=f"{LOOPBACK}:{ports.grpc}",
        ui_address=f"http://{LOOPBACK}:{ports.ui}{UI_PATH}",
        http_address=f"{LOOPBACK}:{ports.http}",
        metrics_address=f"http://{LOOPBACK}:{ports.metrics}/metrics",
        engine_pid=pid,
        owner_pid=os.getpid(),
        server_version=binary.server_version,
        cli_version=binary.cli_version,
    )


def _ports(state: EngineState) -> Ports:
    def port(address: str) -> int:
        return int(address.removesuffix("/metrics").removesuffix(UI_PATH).rpartition(":")[2])

    return Ports(
        grpc=port(state.address),
        ui=port(state.ui_address),
        http=port(state.http_address),
        metrics=port(state.metrics_address),
    )

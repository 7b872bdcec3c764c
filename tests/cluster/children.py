"""The servers of these tests as child processes: each with a log, ended by its id, and never left behind."""

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from pathlib import Path

from outlive.engine.ports import LOOPBACK, free_port
from outlive.settings import process_environment

CACHE = Path(__file__).parent / ".cache"
"""What was built or fetched once, and the logs of the last run; git ignores it."""
PATIENCE = 120.0  # seconds; nothing takes as long, but a busy machine must not fail a test
LOOK = 0.2  # seconds between two looks at who is alive
PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)


class Unavailable(Exception):
    """A server cannot be had here; the message says why."""


class Child:
    """One server, which can be killed and started again with what it had.

    Attributes:
        is_held_down: Whether nobody is to start it again now.
        deaths: How often it was found dead, and started again.
        kills: How often it was killed here.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        folder: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.name = name
        self.folder = folder
        self.log = folder / f"{name}.log"
        self._command = [str(part) for part in command]
        self._environment = process_environment() | dict(environment or {})
        self.is_held_down = False
        self.deaths = 0
        self.kills = 0
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it; its output goes to its log."""
        assert not self.is_running, f"{self.name} runs already"
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=self._environment,
                start_new_session=True,  # Ctrl-C is for the tests, which end it themselves
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one system call, and no lock
            )

    def kill(self) -> None:
        """End it with -9, and wait until it is gone."""
        self.kills += 1
        self._end(signal.SIGKILL)

    def stop(self, *, grace: float = 20.0) -> int:
        """Ask it to stop; kill it when it takes longer. Its exit status."""
        try:
            return self._end(signal.SIGTERM, grace)
        except subprocess.TimeoutExpired:
            return self._end(signal.SIGKILL)

    def tail(self, length: int = 2_000) -> str:
        """What it wrote last."""
        return f"{self.log}:\n{self.log.read_text(errors='replace')[-length:]}" if self.log.exists() else ""

    def ready_when(self, holds: Callable[[], bool], *, patience: float = PATIENCE) -> None:
        """Wait until something holds; fail with the end of the log where it ends before, or takes too long."""
        deadline = time.monotonic() + patience
        while not holds():
            if not self.is_running or time.monotonic() > deadline:
                raise Unavailable(f"{self.name} did not become ready.\n{self.tail()}")
            time.sleep(0.1)

    def _end(self, number: signal.Signals, grace: float = PATIENCE) -> int:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)
        return self._process.wait(timeout=grace)


@contextlib.asynccontextmanager
async def kept(children: Iterable[Child]) -> AsyncIterator[None]:
    """Start each child again when it dies, as a machine's supervisor does, for as long as the block runs."""
    children = list(children)

    async def keep() -> None:
        while True:
            for child in children:
                if not child.is_running and not child.is_held_down:
                    child.deaths += 1
                    child.start()
            await asyncio.sleep(LOOK)

    keeping = asyncio.create_task(keep())
    try:
        yield
    finally:
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping


class Ports:
    """Free ports on loopback, none given out twice."""

    def __init__(self) -> None:
        self._taken: set[int] = set()

    def take(self) -> int:
        port = free_port(taken=frozenset(self._taken))
        self._taken.add(port)
        return port


def is_open(port: int) -> bool:
    """Whether somebody listens."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((LOOPBACK, port)) == 0


def run_once(command: Sequence[str | Path], *, log: Path, environment: Mapping[str, str] | None = None) -> None:
    """Run a program to its end.

    Raises:
        Unavailable: When it fails; the end of what it wrote is in the message.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        done = subprocess.run(
            [str(part) for part in command],
            stdout=output,
            stderr=output,
            stdin=subprocess.DEVNULL,
            env=process_environment() | dict(environment or {}),
            cwd=log.parent,
            check=False,
        )
    if done.returncode:
        shown = " ".join(str(part) for part in command[:4])
        raise Unavailable(f"`{shown} …` failed with status {done.returncode}:\n{log.read_text()[-1500:]}")


def _die_with_parent() -> None:
    """Let the kernel end it when the tests are killed."""
    _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() == 1:
        os._exit(1)

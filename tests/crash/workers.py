"""Real worker processes to kill, forked from one that has everything imported already."""

import asyncio
import faulthandler
import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

from engines import DEADLINE
from outlive.app import load_app
from outlive.engine.connection import connect
from outlive.settings import Settings
from outlive.testing.faults import Fault
from outlive.worker.process import serve, stop_on_signals

_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload(  # imported once, in a process without threads: a worker is there in 50 ms, not in 5 s
    [
        "outlive.worker.agents",
        "outlive.worker.process",
        "outlive.models.catalog",
        "outlive.testing.faults",
        "genai_prices.data",
        "pytest",
    ]
)


UNTOLD = 255
"""Exit status of a process of which the fork server, with several to wait for, could not tell how it ended."""


class WorkerProcess:
    """One worker process."""

    def __init__(self, process: Any, log: Path) -> None:
        self._process = process
        self.pid: int = process.pid
        self.log = log

    async def death(self, *, deadline: float = DEADLINE) -> int:
        """Wait until it has ended; its exit status, negative for the signal that killed it."""
        await asyncio.to_thread(self._process.join, deadline)
        status = self._process.exitcode
        assert status is not None, f"worker {self.pid} lives on:\n{await self.last_words()}"
        return int(status)

    async def last_words(self) -> str:
        """What it wrote last, and where its threads are."""
        if self._process.is_alive():
            os.kill(self.pid, signal.SIGUSR1)
            await asyncio.sleep(0.5)
        return f"{self.log.name}:\n{self.log.read_text()[-6000:]}"

    async def kill(self) -> None:
        """Kill it with -9 and wait until it is gone."""
        os.kill(self.pid, signal.SIGKILL)
        await self.death()

    async def terminate(self) -> int:
        """Ask it to stop, and return its exit status."""
        os.kill(self.pid, signal.SIGTERM)
        return await self.death()

    def end(self) -> None:
        """Leave nothing running."""
        if self._process.is_alive():
            self._process.kill()
        self._process.join()
        self._process.close()


def fork_worker(
    app: str, settings: Settings, environment: dict[str, str], *, log: Path, fault: Fault | None = None
) -> WorkerProcess:
    """Start a worker process for the app that ``MODULE:APP`` names, with a death in it or none."""
    process = _FORKS.Process(target=_work, args=(app, settings, environment, fault, log), daemon=True)
    process.start()
    return WorkerProcess(process, log)


def _work(app: str, settings: Settings, environment: dict[str, str], fault: Fault | None, log: Path) -> None:
    """Be a worker process: what ``python -m outlive.worker`` does, with a death in it."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    faulthandler.register(signal.SIGUSR1)  # tells where it hangs
    os.environ.clear()  # what it was forked from has the environment of whichever test came first
    os.environ.update(environment)

    async def run() -> None:
        stop = asyncio.Event()
        stop_on_signals(stop)
        client = await connect(settings)
        await serve(fault.armed(client) if fault else client, load_app(app), settings, stop)

    asyncio.run(run())

"""Worker processes as children: how one is started, and how it learns that its supervisor is gone.

The supervisor keeps the writing end of a pipe open and never writes; the kernel closes it however the supervisor
ends. A worker whose supervisor is gone still finishes the documents in flight: their calls are paid for, and the
ledger needs no engine.
"""

import asyncio
import os
import stat
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path

from outlive.engine.logfile import LogFile
from outlive.engine.processes import end, spawn
from outlive.settings import PREFIX, Settings, process_environment

PIPE_VARIABLE = "_OUTLIVE_SUPERVISOR_PIPE"
EXIT_SLACK = 10.0  # seconds beyond the drain timeout, for what a worker does before and after draining
ORPHANED_STATUS = 70


class WorkerChild:
    """One running worker process, seen from its supervisor.

    Attributes:
        index: Which of the supervisor's workers it is, from 0.
        pid: Its process id.
    """

    def __init__(
        self, *, index: int, process: asyncio.subprocess.Process, pipe: int, log: LogFile, born_at: int
    ) -> None:
        self.index = index
        self.pid = process.pid
        self._process = process
        self._pipe = pipe
        self._log = log
        self._log_start = born_at

    @classmethod
    async def start(cls, command: Sequence[str], *, index: int, settings: Settings, log: LogFile) -> "WorkerChild":
        """Start a worker; its output goes to the log."""
        reading, writing = os.pipe()
        log.rotate_if_large()
        born_at, output = log.size(), log.open()
        environment = worker_environment(settings) | {PIPE_VARIABLE: str(reading)}
        try:
            process = await spawn(command, environment=environment, output=output, pass_fds=(reading,))
        except BaseException:
            os.close(writing)
            raise
        finally:
            os.close(output)
            os.close(reading)
        return cls(index=index, process=process, pipe=writing, log=log, born_at=born_at)

    async def wait(self) -> int:
        """Return its exit status when it has ended; negative for the signal that killed it."""
        return await self._process.wait()

    async def stop(self, *, drain_timeout: float) -> int:
        """Ask it to drain, kill it when it takes longer than it may, and return its exit status."""
        return await end(self._process, grace=drain_timeout + EXIT_SLACK)

    def kill(self) -> None:
        """End it now; what it had in flight is done again by another."""
        if self._process.returncode is None:
            self._process.kill()

    def close(self) -> None:
        """Give up the pipe of a worker that has ended."""
        os.close(self._pipe)

    def last_words(self) -> str:
        """Return the end of what this very process wrote."""
        return self._log.tail(since=self._log_start)


def worker_command(app: str | None) -> list[str]:
    """Return the command line of a worker process for ``MODULE:APP``, or for the built-in functions alone."""
    return [sys.executable, "-m", "outlive.worker", *([app] if app else [])]


def worker_environment(settings: Settings) -> dict[str, str]:
    """Return this process's environment with the settings in it, as the worker is to read them."""
    values = {PREFIX + item.name.upper(): _text(getattr(settings, item.name)) for item in fields(settings)}
    return process_environment() | values | {"PYTHONUNBUFFERED": "1"}


async def parent_gone(*, drain_timeout: float) -> None:
    """Return when the supervisor of this worker process is gone; never return in a process that has none.

    From then on the process has the drain timeout and some seconds: it is ended if it is still there, also when its
    event loop is blocked.

    Args:
        drain_timeout: Seconds that the worker gives to documents in flight.
    """
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    pipe = _supervisor_pipe()
    if pipe is not None:

        def tell() -> None:
            try:
                loop.call_soon_threadsafe(gone.set)
            except RuntimeError:  # the loop is closed: the worker is ending anyway
                return

        watch = threading.Thread(target=_watch, args=(pipe, tell, drain_timeout + EXIT_SLACK), daemon=True)
        watch.start()
    await gone.wait()


def _watch(pipe: int, tell: Callable[[], None], patience: float) -> None:
    while os.read(pipe, 1):
        continue
    tell()
    threading.Event().wait(patience)
    os._exit(ORPHANED_STATUS)


def _supervisor_pipe() -> int | None:
    text = process_environment().get(PIPE_VARIABLE, "")
    if not text.isdecimal():
        return None
    try:
        is_pipe = stat.S_ISFIFO(os.fstat(int(text)).st_mode)
    except OSError:  # inherited by a process that was not started by a supervisor
        return None
    return int(text) if is_pipe else None


def _text(value: object) -> str:
    return str(value.absolute()) if isinstance(value, Path) else str(value)

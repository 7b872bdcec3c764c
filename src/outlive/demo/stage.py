"""The demonstration as its console shows it: who lives, what was killed, and at the end the verdict."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from typing import Any

from outlive.api.server import port_for, url_of
from outlive.app import App
from outlive.console.server import console_server
from outlive.demo.killing import Executioner, victim
from outlive.demo.screen import Screen
from outlive.demo.verdict import Verdict
from outlive.engine.ports import LOOPBACK
from outlive.settings import Settings
from outlive.worker.supervisor import Supervisor, WorkerSeen


class Stage:
    """What `outlive.console.parts.Demonstration` asks for.

    Attributes:
        holds: Whether the promise held; False before the end.
    """

    def __init__(self, supervisor: Supervisor, screen: Screen) -> None:
        self.executioner = Executioner(supervisor)
        self.holds = False
        self._supervisor = supervisor
        self._screen = screen
        self._verdict: Verdict | None = None

    @property
    def workers(self) -> Sequence[WorkerSeen]:
        """The workers, in their order."""
        return self._supervisor.workers

    @property
    def kills(self) -> int:
        """How many processes were killed so far."""
        return self.executioner.done

    @property
    def verdict(self) -> dict[str, Any] | None:
        """The sums at the end, and whether the promise held; None before."""
        return None if self._verdict is None else {"holds": self.holds, **asdict(self._verdict)}

    def kill(self, worker: int | None) -> int | None:
        """Kill a worker, or with None the engine; return its process id, or None where it is not there just now."""
        pid = self.executioner.kill_by_hand(worker)
        if pid is not None:
            self._screen.say(f"kill -9 {pid}: {victim(worker)}, from the console", "bold red")
        return pid

    def close(self, verdict: Verdict, *, holds: bool) -> None:
        """Take the verdict."""
        self._verdict, self.holds = verdict, holds


@dataclass(frozen=True)
class Site:
    """A console that is being served."""

    address: str
    serving: "asyncio.Task[None]"

    async def until_interrupted(self) -> None:
        """Return after Ctrl-C: the server takes it first, and hands it on when it has stopped."""
        try:
            await asyncio.wait([self.serving])
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None:
                task.uncancel()


@asynccontextmanager
async def served(settings: Settings, stage: Stage) -> AsyncIterator[Site]:
    """Serve the console of a demonstration for as long as the block runs."""
    port = port_for(settings)
    server = console_server(App("demo"), settings, port=port, demo=stage)
    serving = asyncio.create_task(server.serve())
    try:
        listening = asyncio.create_task(server.listening.wait())
        await asyncio.wait([serving, listening], return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        yield Site(f"{url_of(LOOPBACK, port)}/", serving)
    finally:
        server.should_exit = True
        await asyncio.wait([serving])

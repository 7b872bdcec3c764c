"""Who is killed when: at set points of a batch's progress, so that every demonstration is the same."""

import os
import signal
from dataclasses import dataclass, field

from outlive.worker.supervisor import Supervisor


@dataclass(frozen=True)
class Kill:
    """One death that is planned.

    Attributes:
        at: Share of the documents that are done by then.
        worker: Index of the worker; None is the engine.
    """

    at: float
    worker: int | None

    @property
    def victim(self) -> str:
        """What a person calls it."""
        return "the engine" if self.worker is None else f"worker {self.worker}"


PLAN = (Kill(0.2, 0), Kill(0.45, None), Kill(0.7, 1))


@dataclass
class Executioner:
    """Kills what is due with SIGKILL, which no process can catch."""

    supervisor: Supervisor
    waiting: list[Kill] = field(default_factory=lambda: list(PLAN))
    done: int = 0

    def kill_due(self, progress: float) -> tuple[Kill, int] | None:
        """Kill the next one whose time has come, and return it with its process id.

        One that is not running at this moment, because it is being started again, is killed when it is.
        """
        if not self.waiting or progress < self.waiting[0].at:
            return None
        kill = self.waiting[0]
        pid = self._pid(kill)
        if pid is None:
            return None
        os.kill(pid, signal.SIGKILL)
        self.waiting.pop(0)
        self.done += 1
        return kill, pid

    def _pid(self, kill: Kill) -> int | None:
        if kill.worker is None:
            return self.supervisor.engine_pid
        pids = self.supervisor.worker_pids
        return pids[kill.worker] if kill.worker < len(pids) else None

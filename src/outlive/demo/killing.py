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
        return victim(self.worker)


def victim(worker: int | None) -> str:
    """Return what a person calls a worker, or with None the engine."""
    return "the engine" if worker is None else f"worker {worker}"


PLAN = (Kill(0.2, 0), Kill(0.45, None), Kill(0.7, 1))


@dataclass
class Executioner:
    """Kills what is due, and what a visitor picks, with SIGKILL, which no process can catch.

    Attributes:
        done: How many processes were killed.
        by_hand: How many of them a visitor has picked.
    """

    supervisor: Supervisor
    waiting: list[Kill] = field(default_factory=lambda: list(PLAN))
    done: int = 0
    by_hand: int = 0
    _dead: set[int] = field(default_factory=set)

    def kill_due(self, progress: float) -> tuple[Kill, int] | None:
        """Kill the next one whose time has come, and return it with its process id.

        One that is not running at this moment, because it is being started again, is killed when it is.
        """
        if not self.waiting or progress < self.waiting[0].at:
            return None
        kill = self.waiting[0]
        pid = self._kill(kill.worker)
        if pid is None:
            return None
        self.waiting.pop(0)
        return kill, pid

    def kill_by_hand(self, worker: int | None) -> int | None:
        """Kill a worker or the engine now, and return its process id; None where it is being started again."""
        pid = self._kill(worker)
        self.by_hand += pid is not None
        return pid

    def _kill(self, worker: int | None) -> int | None:
        pid = self._pid(worker)
        if pid is None or pid in self._dead:
            return None
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return None
        self._dead.add(pid)
        self.done += 1
        return pid

    def _pid(self, worker: int | None) -> int | None:
        if worker is None:
            return self.supervisor.engine_pid
        workers = self.supervisor.workers
        return workers[worker].pid if worker < len(workers) else None

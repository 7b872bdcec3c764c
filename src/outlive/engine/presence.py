"""Which workers of this machine are alive: each holds a lock on a file of its own, which the kernel lets go with it.

The engine lists a worker as polling for up to 75 s after its death; a lock is free at once.
"""

import fcntl
import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from outlive.engine.connection import configured_cluster
from outlive.engine.home import Home


class Presence:
    """The workers that are alive on this machine, for one state folder."""

    def __init__(self, home: Home) -> None:
        self._folder = home.path / "workers"

    @property
    def is_complete(self) -> bool:
        """Whether there can be no workers but those of this machine: the engine is ours, and listens on loopback."""
        return not configured_cluster()

    @contextmanager
    def announce(self, task_queue: str, agents: Mapping[str, Collection[str]] | None = None) -> Iterator[None]:
        """Be counted for as long as the block runs, or the process lives.

        Args:
            agents: What is served: of each agent the tools that it has.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder / f"{os.getpid()}.json"
        partial = path.with_suffix(".partial")
        descriptor = os.open(partial, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            said = {"task_queue": task_queue, "agents": {name: sorted(tools) for name, tools in (agents or {}).items()}}
            os.write(descriptor, json.dumps({"pid": os.getpid(), **said}).encode())
            partial.replace(path)  # only now: who sees it unlocked takes it for a dead one's
            yield
        finally:
            path.unlink(missing_ok=True)
            os.close(descriptor)

    def count(self, task_queue: str) -> int:
        """Return how many workers of a task queue are alive, and clear away what dead ones have left."""
        return sum(1 for said in self._alive() if said.get("task_queue") == task_queue)

    def served(self, task_queue: str) -> dict[str, set[str]] | None:
        """Return the agents that a task queue's workers serve, each with its tools; None where one does not say."""
        found: dict[str, set[str]] = {}
        for said in self._alive():
            if said.get("task_queue") == task_queue:
                if "agents" not in said:
                    return None
                for name, tools in said["agents"].items():
                    found.setdefault(name, set()).update(tools)
        return found

    def _alive(self) -> Iterator[dict[str, Any]]:
        """Yield what each living worker says of itself."""
        for path in sorted(self._folder.glob("*.json")):
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            except OSError:
                continue
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield json.loads(path.read_text() or "{}")
            else:
                path.unlink(missing_ok=True)
            finally:
                os.close(descriptor)

"""Processes of a test that are no workers of ours: which there are, and the end of them."""

import contextlib
import os
import signal
from pathlib import Path


def children(pid: int) -> list[int]:
    """Processes whose parent is this one."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            if int(status.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(int(status.parent.name))
    return found


def kill_all(pids: set[int]) -> None:
    """Kill each with -9."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)

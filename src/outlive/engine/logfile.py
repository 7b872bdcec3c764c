"""A log that a child process writes straight to a file, kept small from outside.

The child appends to the file itself: no pipe that could fill and block it, and what it says after its supervisor
died is kept too. The price: rotating copies and truncates, so lines written in that instant can be lost.
"""

import os
import re
import shutil
from asyncio.subprocess import Process
from collections.abc import Mapping, Sequence
from pathlib import Path

from outlive.engine.processes import spawn

MAX_BYTES = 4_000_000
KEPT = 3
TAIL_BYTES = 131_072  # a Go program that panics says why first, and then a lot

_FAULT = re.compile(r"^(panic|Error|fatal error):|level=(ERROR|FATAL)")


class LogFile:
    """One log with its kept predecessors ``NAME.1`` (the newest) to ``NAME.3``."""

    def __init__(self, path: Path, *, max_bytes: int = MAX_BYTES, kept: int = KEPT) -> None:
        self.path = path
        self.max_bytes = max_bytes
        self.kept = kept

    def open(self) -> int:
        """Return a descriptor to append to, which the caller closes. Append mode is what lets a truncation work."""
        return os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)

    def size(self) -> int:
        """Return the size of the newest part, in bytes."""
        try:
            return self.path.stat().st_size
        except FileNotFoundError:
            return 0

    def rotate_if_large(self) -> bool:
        """Keep the end of the log aside and empty it, where it has grown past its size; return whether it had."""
        size = self.size()
        if size <= self.max_bytes:
            return False
        for number in range(self.kept, 1, -1):
            older = self._kept(number - 1)
            if older.exists():
                older.replace(self._kept(number))
        try:
            with self.path.open("rb") as source, self._kept(1).open("wb") as target:
                # A log that grew by gigabytes between two looks must not cost that much a second time.
                source.seek(max(0, size - self.max_bytes))
                shutil.copyfileobj(source, target)
        finally:
            os.truncate(self.path, 0)  # also where nothing can be kept: a full disk is no place for a large log
        return True

    def tail(self, *, lines: int = 8, since: int = 0) -> str:
        """Return the last lines, without blank ones.

        Args:
            since: Position in bytes before which nothing is of interest.
        """
        return "\n".join(self._last_lines(since)[-lines:])

    def gist(self, *, lines: int = 4, since: int = 0) -> str:
        """Return the last lines that say what went wrong; where none does, the last lines."""
        faults = [line for line in self._last_lines(since) if _FAULT.search(line)]
        return "\n".join(faults[-lines:]) or self.tail(lines=lines, since=since)

    def _last_lines(self, since: int) -> list[str]:
        try:
            with self.path.open("rb") as file:
                end = file.seek(0, os.SEEK_END)
                start = since if since <= end else 0  # it was rotated meanwhile
                file.seek(max(start, end - TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except FileNotFoundError:
            return []
        return [line for line in text.splitlines() if line.strip()]

    def _kept(self, number: int) -> Path:
        return self.path.with_name(f"{self.path.name}.{number}")


async def spawn_logged(command: Sequence[str], *, environment: Mapping[str, str], log: LogFile) -> Process:
    """Start a child that ends with this process, writes to a log, and leaves its files to their owner alone."""
    output = log.open()
    try:
        return await spawn(command, environment=environment, output=output, dies_with_parent=True, umask=0o077)
    finally:
        os.close(output)

"""Rounds of housekeeping beside everything else: one at a time, each in a process of its own.

A process of its own takes no time from whoever supervises, gives its memory back, stands behind all others for the
processor, and can be killed at any moment: the next round does what is left.
"""

import asyncio
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from outlive.engine.home import Home
from outlive.engine.logfile import LogFile
from outlive.housekeeping.records import RoundRecord, read_record
from outlive.settings import Settings
from outlive.worker.children import WorkerChild

FIRST_LOOK = 600.0  # seconds: what starts, or is being tried out, has the machine to itself
LONGEST_SLEEP = 600.0  # seconds: a machine that was asleep is not late by a whole interval, and others' rounds are seen
RETRY_AFTER = 3_600.0  # seconds after a round that failed
FAILED = 1  # the status of a round that has written down why it did not go through
COMMAND = (sys.executable, "-m", "outlive.worker.housekeeping")


@dataclass(frozen=True, kw_only=True)
class HousekeepingFailed:
    """A round of housekeeping did not go through, for a reason that was not told yet."""

    reason: str


class Upkeep:
    """Starts a round whenever one is due."""

    def __init__(
        self,
        settings: Settings,
        on_event: Callable[[HousekeepingFailed], None],
        *,
        command: Sequence[str] = COMMAND,
        first_look: float = FIRST_LOOK,
    ) -> None:
        """Describe it; nothing is started.

        Args:
            command: What to start as a round.
            first_look: Seconds before the first round may begin.
        """
        self._home = Home(settings.home)
        self._settings = settings
        self._on_event = on_event
        self._command = command
        self._first_look = first_look
        self._log = LogFile(self._home.logs / "housekeeping.log")
        self._tried_at: float | None = None
        self._told = ""

    async def go_on(self) -> None:
        """Start rounds until cancelled, which ends the one under way at once."""
        interval = self._settings.housekeeping_hours * 3_600
        await asyncio.sleep(min(self._first_look, interval))
        while True:
            wait = self._due_in(interval, read_record(self._home), time.time())
            if wait > 0:
                await asyncio.sleep(min(wait, LONGEST_SLEEP))
                continue
            self._tried_at = time.time()
            await self._round()

    def _due_in(self, interval: float, record: RoundRecord, now: float) -> float:
        """Return the seconds until a round is due, whoever had the last one in this folder."""
        pause = min(interval, RETRY_AFTER) if record.failure else interval
        begun = [at for at in (record.began_at, self._tried_at) if at is not None and at <= now]
        return max(begun) + pause - now if begun else 0.0

    async def _round(self) -> None:
        try:
            child = await WorkerChild.start(self._command, index=0, settings=self._settings, log=self._log)
        except OSError as error:
            self._tell(f"`{' '.join(self._command)}` does not start: {error}.")
            return
        try:
            status = await child.wait()
        finally:
            child.kill()
            await child.wait()
            child.close()
        if status == FAILED and (reason := read_record(self._home).failure):
            self._tell(reason)
        elif status:
            self._tell(f"It ended with status {status}: {child.last_words() or 'it said nothing'}")
        else:
            self._told = ""

    def _tell(self, reason: str) -> None:
        """Tell a reason once, however often it comes in a row."""
        if reason != self._told:
            self._on_event(HousekeepingFailed(reason=reason))
        self._told = reason

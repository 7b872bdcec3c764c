"""What is remembered of rounds between them, and the lock that lets one at a time go on in a state folder."""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from outlive.engine.home import Home, write_whole
from outlive.errors import HousekeepingBusy
from outlive.housekeeping.rounds import RoundReport


@dataclass(frozen=True, kw_only=True)
class RoundRecord:
    """What is known of the rounds of a state folder.

    Attributes:
        began_at: When the last round began, in seconds since the epoch; None where there was none.
        ended_at: When the last round ended that went through.
        summary: What that one removed: runs, ledger rows, streams, payloads, payload bytes.
        failure: Why the last round did not go through; empty where it did.
        failing_since: When the first of the rounds began that failed one after the other.
    """

    began_at: float | None = None
    ended_at: float | None = None
    summary: dict[str, int] = field(default_factory=dict)
    failure: str = ""
    failing_since: float | None = None


def read_record(home: Home) -> RoundRecord:
    """Return what is known of the rounds of a state folder."""
    try:
        return RoundRecord(**json.loads(home.housekeeping_file.read_text()))
    except (OSError, ValueError, TypeError):
        return RoundRecord()


@contextmanager
def sole_round(home: Home) -> Iterator["Recorder"]:
    """Be the one round of the state folder for as long as the block runs; the lock goes with the process.

    Raises:
        HousekeepingBusy: While there is another one.
    """
    home.create()
    descriptor = os.open(home.housekeeping_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            who = os.pread(descriptor, 20, 0).decode(errors="replace").strip()
            raise HousekeepingBusy(
                f"Process {who or '(unknown)'} is at it in {str(home.path)!r} already. Let it finish."
            ) from error
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield Recorder(home)
    finally:
        os.close(descriptor)


class Recorder:
    """Writes down how a round goes."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._began_at = time.time()
        self._before = read_record(home)

    def begin(self) -> None:
        """Note that it begins: one that is killed counts as one that was tried."""
        self._write(replace(self._before, began_at=self._began_at))

    def end(self, report: RoundReport) -> None:
        """Note that it went through."""
        self._write(RoundRecord(began_at=self._began_at, ended_at=time.time(), summary=summary(report)))

    def fail(self, reason: str) -> None:
        """Note why it did not."""
        since = self._before.failing_since or self._began_at
        self._write(replace(self._before, began_at=self._began_at, failure=reason, failing_since=since))

    def _write(self, record: RoundRecord) -> None:
        write_whole(self._home.housekeeping_file, json.dumps(asdict(record), indent=2) + "\n")


def summary(report: RoundReport) -> dict[str, Any]:
    """Return what a round removed, in numbers."""
    return {
        "runs": len(report.forgotten),
        "calls": report.rows.calls,
        "answers": report.rows.answers,
        "streams": report.streams,
        "payloads": report.payloads.removed,
        "payload_bytes": report.payloads.removed_bytes,
    }

"""Leases of effects that no two workers may make at once: renewed while an attempt goes on, broken off when that fails.

A thread renews them, so that a tool that blocks the event loop keeps its lease. A process that was stopped, or cut off
from its ledger, finds on waking that its lease is over, and breaks its attempt off before that makes another move.
"""

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from sqlalchemy.exc import DBAPIError

from outlive.errors import LedgerError
from outlive.ledger.ledger import Ledger

LEASE_SECONDS = 6.0  # that another worker waits where it cannot see that the one before it is gone
_MARGIN_SECONDS = 1.5  # before its end an attempt is broken off, since two clocks may differ
_RENEWAL_SECONDS = 1.5

logger = logging.getLogger(__name__)


@dataclass(eq=False)
class _Lease:
    key: str
    attempt: int
    until: float  # on the monotonic clock
    is_lost: bool = False


class Leases:
    """The leases that one worker process holds. Use it as an async context manager."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._held: set[_Lease] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outlive-leases", daemon=True)

    async def __aenter__(self) -> Self:
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        await asyncio.to_thread(self._thread.join)

    @asynccontextmanager
    async def holding(self, key: str, *, attempt: int) -> AsyncIterator[None]:
        """Hold the lease of an effect that was claimed just now.

        Raises:
            LedgerError: Where the lease was lost, and the block was broken off.
        """
        lease = _Lease(key, attempt, time.monotonic() + LEASE_SECONDS - _MARGIN_SECONDS)
        task = asyncio.current_task()
        if task is None:
            raise RuntimeError("A lease is held by a task.")
        loop = asyncio.get_running_loop()
        timer: asyncio.TimerHandle

        def look() -> None:
            nonlocal timer
            if lease.until > time.monotonic():
                timer = loop.call_later(lease.until - time.monotonic(), look)
            else:
                lease.is_lost = True
                task.cancel()  # now: what has become ready meanwhile must not run before

        timer = loop.call_later(lease.until - time.monotonic(), look)
        self._held.add(lease)
        try:
            yield
        except asyncio.CancelledError:
            await asyncio.shield(self._released(lease))
            if lease.is_lost and task.uncancel() == 0:
                raise LedgerError("The lease was lost: this process was stopped, or cut off from its ledger.") from None
            raise
        finally:
            timer.cancel()
            self._held.discard(lease)

    async def _released(self, lease: _Lease) -> None:
        self._held.discard(lease)
        try:
            await self._ledger.call(self._ledger.effects.release, lease.key, attempt=lease.attempt)
        except LedgerError as error:
            logger.warning("A lease could not be given back; it ends by itself", extra={"reason": str(error)})

    def _run(self) -> None:
        while not self._stopping.wait(_RENEWAL_SECONDS):
            for lease in list(self._held):
                self._renew(lease)

    def _renew(self, lease: _Lease) -> None:
        asked_at = time.monotonic()
        try:
            is_ours = self._ledger.effects.renew(lease.key, attempt=lease.attempt, seconds=LEASE_SECONDS)
        except (DBAPIError, LedgerError):
            return  # it is asked again, until the lease is over
        lease.until = asked_at + LEASE_SECONDS - _MARGIN_SECONDS if is_ours else 0.0

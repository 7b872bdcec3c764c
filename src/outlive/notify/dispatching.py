"""Delivering what the outbox holds: a plain loop in each worker, beside its work.

A loop over rows, and not a workflow for each target: the rows are there already, in the transaction of what they tell;
thousands a minute would be histories and engine time for nothing; and many workers share rows by short leases.
"""

import asyncio
import logging
import time
import uuid
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from outlive.contracts.notifications import Kafka, Webhook
from outlive.errors import DeliveryFailed, LedgerError
from outlive.ledger.ledger import Ledger
from outlive.ledger.outbox import Attempted, Claimed
from outlive.notify.retrying import Schedule

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # between two looks for what others have written, or what is due again
LEASE_SECONDS = 30.0  # longer than any attempt takes; what a killed worker had in hand goes on after it
ATTEMPT_SECONDS = 20.0
AT_A_TIME = 16  # deliveries to one target that answers
IN_ALL = 256  # deliveries of one worker: so many targets may hang before one waits for another
LONGEST_REST = 60.0  # seconds in which a worker leaves alone a target that answers nobody
IN_TROUBLE = 3  # failures in a row after which a success means that a target is back
GRACE_SECONDS = 2.0  # for what is on its way as the worker stops
TROUBLE_SECONDS = 5.0


class Sender(Protocol):
    """Speaks to one kind of target."""

    async def send(self, target: Any, delivery: Claimed) -> None:
        """Deliver an event once.

        Raises:
            DeliveryFailed: If the receiver has not taken it.
        """
        ...


@dataclass(slots=True)
class _Pressure:
    """How hard one target is pressed: one attempt at a time while it fails."""

    in_flight: int = 0
    failures: int = 0
    failed_at: float = 0.0
    resumes_at: float = 0.0

    def room(self, now: float) -> int:
        if now < self.resumes_at:
            return 0
        return (1 if self.failures else AT_A_TIME) - self.in_flight

    def succeeded(self, began: float) -> bool:
        """Take note that an attempt has succeeded; return whether the target is back after trouble.

        One that was under way already when another failed says nothing of how the target is now.
        """
        if began < self.failed_at:
            return False
        is_back = self.failures >= IN_TROUBLE
        self.failures, self.resumes_at = 0, 0.0
        return is_back


class Dispatcher:
    """Delivers, until it is cancelled.

    Args:
        senders: By the name of the kind of target: ``webhook``, ``kafka``.
    """

    def __init__(self, ledger: Ledger, senders: Mapping[str, Sender], schedule: Schedule) -> None:
        self._ledger = ledger
        self._senders = senders
        self._schedule = schedule
        self.owner = uuid.uuid4().hex
        self._pressures: defaultdict[str, _Pressure] = defaultdict(_Pressure)
        self._sending: set[asyncio.Task[None]] = set()
        self._ended: list[Attempted] = []
        self._stirred = asyncio.Event()

    def stir(self) -> None:
        """Look at once: something was written."""
        self._stirred.set()

    async def run(self) -> None:
        """Deliver what is due, again and again."""
        try:
            while True:
                self._stirred.clear()
                try:
                    taken = await self._round()
                except LedgerError as error:  # in trouble, and told of where it is needed
                    logger.warning("Deliveries wait for the ledger", extra={"reason": str(error)})
                    await asyncio.sleep(TROUBLE_SECONDS)
                    continue
                if not taken:
                    await self._wait()
        finally:
            await asyncio.shield(self._stop())

    async def _wait(self) -> None:
        try:
            async with asyncio.timeout(LOOK_SECONDS):
                await self._stirred.wait()
        except TimeoutError:
            return

    async def _round(self) -> bool:
        """Write down what has ended, and begin what is due; return whether there was any."""
        await self._settle()
        now = time.monotonic()
        self._pressures = defaultdict(
            _Pressure, {key: one for key, one in self._pressures.items() if one.in_flight or one.failures}
        )
        room = {key: one.room(now) for key, one in self._pressures.items()}
        most = IN_ALL - len(self._sending)
        if most <= 0:
            return False
        outbox = self._ledger.outbox
        claimed = await self._ledger.call(
            outbox.claim, self.owner, room, usual=AT_A_TIME, most=most, lease=LEASE_SECONDS
        )
        for delivery in claimed:
            self._pressures[delivery.target_id].in_flight += 1
            task = asyncio.create_task(self._deliver(delivery))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)
        return bool(claimed)

    async def _settle(self) -> None:
        ended, self._ended = self._ended, []
        if not ended:
            return
        try:
            await self._ledger.call(self._ledger.outbox.settle, self.owner, ended)
        except LedgerError:
            self._ended = ended + self._ended
            raise

    async def _deliver(self, delivery: Claimed) -> None:
        pressure, began = self._pressures[delivery.target_id], time.monotonic()
        kind = "webhook" if isinstance(delivery.target, Webhook) else "kafka"
        assert isinstance(delivery.target, Webhook | Kafka)
        try:
            async with asyncio.timeout(ATTEMPT_SECONDS):
                await self._senders[kind].send(delivery.target, delivery)
        except (DeliveryFailed, TimeoutError) as error:
            self._failed(delivery, pressure, error)
        except Exception as error:  # whatever a library raises is this attempt's failure, never the dispatcher's
            logger.exception("An attempt to deliver failed unexpectedly", extra={"delivery": delivery.number})
            self._failed(delivery, pressure, error)
        else:
            self._ended.append(Attempted(delivery=delivery, is_recovery=pressure.succeeded(began)))
        finally:
            pressure.in_flight -= 1
            self.stir()

    def _failed(self, delivery: Claimed, pressure: _Pressure, error: Exception) -> None:
        failure = error if isinstance(error, DeliveryFailed) else None
        retry_after = failure.retry_after if failure else None
        pressure.failures, pressure.failed_at = pressure.failures + 1, time.monotonic()
        rest = min(0.5 * 2.0 ** min(pressure.failures - 1, 20), LONGEST_REST, self._schedule.longest)
        pressure.resumes_at = max(pressure.resumes_at, pressure.failed_at + max(rest, retry_after or 0.0))
        pause = self._schedule.pause(delivery.attempts + 1, retry_after=retry_after)
        is_over = time.time() >= delivery.given_up_at or (failure is not None and failure.is_final)
        said = str(error) or f"It did not answer within {ATTEMPT_SECONDS:g} s."
        self._ended.append(Attempted(delivery=delivery, error=said, next_at=None if is_over else time.time() + pause))

    async def _stop(self) -> None:
        """Give what is on its way a moment, and hand back the rest."""
        if self._sending:
            await asyncio.wait(self._sending, timeout=GRACE_SECONDS)
        for task in self._sending:
            task.cancel()
        await asyncio.gather(*self._sending, return_exceptions=True)
        try:
            await self._settle()
            await self._ledger.call(self._ledger.outbox.let_go, self.owner)
        except LedgerError as error:  # the leases end by themselves
            logger.warning("Deliveries could not be handed back", extra={"reason": str(error)})

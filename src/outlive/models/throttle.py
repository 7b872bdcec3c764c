"""Adaptive concurrency: what one process has in flight with one model, and when it holds back altogether.

Additive increase, multiplicative decrease, as TCP does it. There is no limit before the first refusal, so that an
unthrottled batch pays nothing. A refusal (429, or 503 with a time to wait) stops *all* calls to the model in this
process until the time that the provider gave, and the window falls to what the provider really let through. It then
grows by one for each window of successes, ten times more slowly near the size at which it was last refused.
"""

import asyncio
import random
from collections import deque

_FIRST_HALT = 0.5
_LONGEST_HALT = 30.0
_NEAR = 0.7
_SLOW = 0.1


class Throttle:
    """The window of one model in one process; belongs to one event loop. First come, first served.

    Attributes:
        answers: How many calls were answered so far: one that stands still tells an outage from one bad document.
        refusals: How many calls were refused for lack of room so far.
    """

    def __init__(self) -> None:
        self._window = float("inf")
        self._refused_at = float("inf")
        self._in_flight = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._halted_until = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._epoch = 0
        self._streak = 0
        self._burst = 0.0
        self._burst_refusals = 0
        self.refusals = 0
        self.answers = 0

    @property
    def window(self) -> float:
        """How many calls may be in flight; infinite before the first refusal."""
        return self._window

    @property
    def in_flight(self) -> int:
        """How many calls are in flight now."""
        return self._in_flight

    async def enter(self) -> int:
        """Wait for a place; return the epoch, which `refused` wants back. Every `enter` needs a `leave`."""
        if self._waiting or self._timer is not None or self._in_flight >= self._window:
            await self._queue()
        else:
            self._in_flight += 1
        return self._epoch

    def leave(self) -> None:
        """Give the place back."""
        self._in_flight -= 1
        if self._waiting:
            self._release()

    def succeeded(self) -> None:
        """Note an answer: the window may grow."""
        self._streak = 0
        self.answers += 1
        if self._window != float("inf"):
            near = self._window >= self._refused_at * _NEAR
            self._window += (_SLOW if near else 1.0) / self._window

    def refused(self, epoch: int, wait: float | None) -> float:
        """Note a refusal: hold all calls back.

        Args:
            epoch: What `enter` returned for the refused call. The calls of one burst are refused together; only
                the first halves the window, each other takes one place more.
            wait: Seconds that the provider asked for, where it did.

        Returns:
            Seconds until the next call may begin.
        """
        self.refusals += 1
        if epoch == self._epoch:
            self._epoch += 1
            self._streak += 1
            self._burst = min(self._window, float(self._in_flight))
            self._burst_refusals = 0
            self._refused_at = self._burst
        self._burst_refusals += 1
        self._window = max(1.0, min(self._window, self._burst / 2, self._burst - self._burst_refusals))
        if wait is None:
            wait = min(_LONGEST_HALT, _FIRST_HALT * 2 ** min(self._streak - 1, 10)) * random.uniform(1.0, 1.5)  # noqa: S311
        return self._halt(wait)

    def _halt(self, seconds: float) -> float:
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        if until > self._halted_until:
            self._halted_until = until
            if self._timer is not None:
                self._timer.cancel()
            self._timer = loop.call_at(until, self._resume)
        return self._halted_until - loop.time()

    def _resume(self) -> None:
        self._timer = None
        self._release()

    def _release(self) -> None:
        while self._waiting and self._timer is None and self._in_flight < self._window:
            place = self._waiting.popleft()
            if not place.done():
                self._in_flight += 1
                place.set_result(None)

    async def _queue(self) -> None:
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            await place
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self.leave()  # the place was given in the moment of the cancellation
            raise

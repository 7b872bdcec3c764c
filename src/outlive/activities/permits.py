"""How many documents of one batch a process has in flight."""

import asyncio
from collections import deque


class Permits:
    """A semaphore whose size may change at any time, first come first served.

    Made smaller, it gives no permit out until enough have come back; nothing in flight is interrupted.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    def resize(self, capacity: int) -> None:
        """Change how many permits there are."""
        self._capacity = capacity
        self._hand_out()

    async def acquire(self) -> None:
        """Wait for a permit and take it."""
        if self._taken < self._capacity and not self._waiting:
            self._taken += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()
            raise

    def release(self) -> None:
        """Give a permit back."""
        self._taken -= 1
        self._hand_out()

    def _hand_out(self) -> None:
        while self._waiting and self._taken < self._capacity:
            turn = self._waiting.popleft()
            if not turn.done():
                self._taken += 1
                turn.set_result(None)

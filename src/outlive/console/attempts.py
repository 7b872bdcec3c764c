"""Wrong tokens at the sign-in: they are slow, and soon refused."""

import asyncio
import time
from collections import defaultdict, deque

WRONG_PAUSE = 0.5  # seconds that the answer to a wrong token takes
WRONG_ALLOWED = 10  # of one address within WRONG_WINDOW
WRONG_WINDOW = 60.0  # seconds
MOST_ADDRESSES = 10_000  # that are remembered


class Attempts:
    """Remembers wrong tokens of late, by address."""

    def __init__(self, *, pause: float = WRONG_PAUSE) -> None:
        """Take the seconds that the answer to a wrong token takes."""
        self._pause = pause
        self._wrong: dict[str, deque[float]] = defaultdict(deque)

    def wait(self, address: str) -> float:
        """Return the seconds until an address may try again; 0 for now."""
        wrong = self._wrong.get(address)
        if wrong is None:
            return 0.0
        while wrong and wrong[0] < time.monotonic() - WRONG_WINDOW:
            wrong.popleft()
        return wrong[0] + WRONG_WINDOW - time.monotonic() if len(wrong) >= WRONG_ALLOWED else 0.0

    async def note_wrong(self, address: str) -> None:
        """Remember a wrong token, and return after a while."""
        if len(self._wrong) >= MOST_ADDRESSES:
            self._wrong.pop(next(iter(self._wrong)))
        self._wrong[address].append(time.monotonic())
        await asyncio.sleep(self._pause)

"""News of streams: one look at the file for all who follow, seldom while nothing happens."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

from outlive.errors import LedgerError

FASTEST_LOOK = 0.02  # seconds between two looks while something happens
SLOWEST_LOOK = 0.25  # … and while nothing does
SLOWING = 1.15  # from the fastest to the slowest look in 18 looks, about 2 seconds


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What one look has seen.

    Attributes:
        offsets: The next offset of each stream that has events.
        names: Of the streams that were looked at.
        version: Of the file; None where it has none that tells.
    """

    offsets: dict[str, int]
    names: frozenset[str]
    version: int | None = None


Look = Callable[[frozenset[str], Sight | None], Awaitable[Sight | None]]
"""Given the names of streams and what was seen last, returns what is seen now; None where nothing has changed."""


class Follower:
    """One reader's place in a stream."""

    def __init__(self, stream: str, position: int) -> None:
        self.stream = stream
        self.position = position
        self.failure: Exception | None = None
        self._news = asyncio.Event()

    def wake(self, *_: object) -> None:
        """Let the reader look again."""
        self._news.set()

    def has_read(self) -> None:
        """Note that the reader looks now: news from before are no news."""
        self._news.clear()

    async def news(self) -> None:
        """Return once there may be something to read.

        Raises:
            LedgerError: If the file cannot be looked at any more.
        """
        if self.failure is None:
            await self._news.wait()
        if self.failure is not None:
            raise self.failure


class Poller:
    """Looks at the file for as long as there are followers, and wakes those whose streams have news."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._followers: set[Follower] = set()
        self._pause = FASTEST_LOOK
        self._task: asyncio.Task[None] | None = None

    @contextlib.contextmanager
    def following(self, stream: str, position: int) -> Iterator[Follower]:
        """Follow a stream for as long as the block runs; the reader moves the follower's position on."""
        follower = Follower(stream, position)
        self._followers.add(follower)
        self._pause = FASTEST_LOOK
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name="outlive-streams")
        try:
            yield follower
        finally:
            self._followers.discard(follower)
            if not self._followers and self._task is not None:
                self._task.cancel()
                self._task = None

    async def aclose(self) -> None:
        """Stop looking; whoever still follows is told."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
        self._fail(LedgerError("The event log was closed while it was followed."))

    async def _run(self) -> None:
        """Look until nobody follows. Only looks go on here: each reader reads for itself, as fast as it can."""
        seen: Sight | None = None
        while self._followers:
            names = frozenset(follower.stream for follower in self._followers)
            try:
                sight = await self._look(names, seen)
            except Exception as error:  # noqa: BLE001 - whoever follows is told, and no one else is there to be
                self._fail(error)
                return
            has_news = False
            if sight is not None:
                seen = sight
                for follower in self._followers:
                    if sight.offsets.get(follower.stream, follower.position) != follower.position:
                        follower.wake()
                        has_news = True
            self._pause = FASTEST_LOOK if has_news else min(self._pause * SLOWING, SLOWEST_LOOK)
            await asyncio.sleep(self._pause)

    def _fail(self, error: Exception) -> None:
        for follower in self._followers:
            follower.failure = error
            follower.wake()

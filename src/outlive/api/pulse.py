"""Whether what pages need answers, engine and ledger, for all who look at once."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import Field
from temporalio.service import RPCError

from outlive.api.views import View
from outlive.client import Client
from outlive.errors import OutliveError

LOOK_SECONDS = 1.0  # between two questions
ANSWER_SECONDS = 2.0  # with LOOK_SECONDS well below the 5 s within which a page has to say it
PartState = Literal["ok", "away"]


class PulseView(View):
    """Whether engine and ledger answer; the state of a page that says nothing for longer is behind."""

    at: datetime
    engine: PartState
    away_since: datetime | None = Field(default=None, description="When the engine was first found away.")
    ledger: PartState = "ok"
    ledger_away_since: datetime | None = Field(default=None, description="When the ledger was first found away.")


class Part:
    """One of what pages need.

    Attributes:
        state: As it was found last; ``ok`` before the first answer.
        away_since: When it was first found away.
    """

    def __init__(self, ask: Callable[[], Awaitable[None]]) -> None:
        """Take what returns where the part answers, and raises where it does not."""
        self.state: PartState = "ok"
        self.away_since: datetime | None = None
        self._ask = ask

    async def look(self) -> None:
        """Ask once."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._ask()
        except (OutliveError, RPCError, RuntimeError, TimeoutError):
            self.state, self.away_since = "away", self.away_since or datetime.now(tz=UTC)
        else:
            self.state, self.away_since = "ok", None


class Watch:
    """Asks engine and ledger every second for as long as anybody looks.

    Attributes:
        back: Set once all that was away answers again; another event takes its place then.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._engine, self._ledger = Part(self._ask_engine), Part(client.ledger.check)
        self._lookers: set[asyncio.Event] = set()
        self.back = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def states(self) -> tuple[PartState, PartState]:
        """Of engine and ledger, as they were found last."""
        return self._engine.state, self._ledger.state

    @property
    def is_away(self) -> bool:
        """Whether one of them does not answer."""
        return "away" in self.states

    def pulse(self) -> PulseView:
        """Return what is known now."""
        return PulseView(
            at=datetime.now(tz=UTC),
            engine=self._engine.state,
            away_since=self._engine.away_since,
            ledger=self._ledger.state,
            ledger_away_since=self._ledger.away_since,
        )

    @contextmanager
    def watched(self, looker: asyncio.Event) -> Iterator[None]:
        """Ask for as long as the block runs, and set the event when a state changes."""
        self._lookers.add(looker)
        if self._task is None:
            self._task = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            self._lookers.discard(looker)

    async def aclose(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _watch(self) -> None:
        try:
            while self._lookers:
                before = self.states
                await asyncio.gather(self._engine.look(), self._ledger.look())
                if self.states != before:
                    self._changed()
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._task = None

    def _changed(self) -> None:
        if not self.is_away:
            self.back.set()
            self.back = asyncio.Event()
        self.wake()

    def wake(self) -> None:
        """Let all who look see whether there is something new."""
        for looker in self._lookers:
            looker.set()

    async def _ask_engine(self) -> None:
        temporal = await self._client.temporal()
        await temporal.service_client.check_health(timeout=timedelta(seconds=ANSWER_SECONDS))


async def within(waiting: Awaitable[object], seconds: float) -> None:
    """Wait for something, for some seconds at most."""
    try:
        async with asyncio.timeout(max(0.0, seconds)):
            await waiting
    except TimeoutError:
        return

"""Whether the engine answers, for all who look at once."""

import asyncio
from collections.abc import Iterator
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
EngineState = Literal["ok", "away"]


class PulseView(View):
    """Whether the engine answers; the state of a page that says nothing for longer is behind."""

    at: datetime
    engine: EngineState
    away_since: datetime | None = Field(default=None, description="When it was first found away.")


class EngineWatch:
    """Asks the engine every second for as long as anybody looks.

    Attributes:
        state: ``ok`` or ``away``, as it was found last; ``ok`` before the first answer.
    """

    def __init__(self, client: Client) -> None:
        self.state: EngineState = "ok"
        self._client = client
        self._away_since: datetime | None = None
        self._lookers: set[asyncio.Event] = set()
        self._task: asyncio.Task[None] | None = None

    def pulse(self) -> PulseView:
        """Return what is known now."""
        return PulseView(at=datetime.now(tz=UTC), engine=self.state, away_since=self._away_since)

    @contextmanager
    def watched(self, looker: asyncio.Event) -> Iterator[None]:
        """Ask for as long as the block runs, and set the event when the state changes."""
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
                self._note("ok" if await self._answers() else "away")
                await asyncio.sleep(LOOK_SECONDS)
        finally:
            self._task = None

    def _note(self, state: EngineState) -> None:
        if state == self.state:
            return
        self.state = state
        self._away_since = datetime.now(tz=UTC) if state == "away" else None
        self.wake()

    def wake(self) -> None:
        """Let all who look see whether there is something new."""
        for looker in self._lookers:
            looker.set()

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                temporal = await self._client.temporal()
                await temporal.service_client.check_health(timeout=timedelta(seconds=ANSWER_SECONDS))
        except (OutliveError, RPCError, RuntimeError, TimeoutError):
            return False
        return True

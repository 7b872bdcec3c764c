"""The engine as this server finds it, and what is known of it only by having looked before."""

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar
from weakref import WeakKeyDictionary

import temporalio.client
from temporalio.service import RPCError

from outlive.api.views_fleet import EngineView
from outlive.client import Client
from outlive.engine.connection import read_cluster
from outlive.engine.home import Home
from outlive.engine.overview import server_version
from outlive.errors import EngineUnavailable

T = TypeVar("T")

AWAY_AFTER_SECONDS = 3.0  # of no answer: a page must not wait for an engine that starts
RATE_SECONDS = 60.0
TEMPORAL_UI = "/temporal/"


class Gauges:
    """What one server has seen of the engine and of the calls so far."""

    def __init__(self) -> None:
        self.away_since: datetime | None = None
        self._calls: deque[tuple[float, int]] = deque()

    def calls_per_minute(self, calls: int) -> float | None:
        """Take a reading of all calls ever made; return their rate over the last minute, where one is known."""
        now = time.monotonic()
        while self._calls and now - self._calls[0][0] > RATE_SECONDS:
            self._calls.popleft()
        self._calls.append((now, calls))
        began, before = self._calls[0]
        return (calls - before) / (now - began) * 60 if now > began else None


_GAUGES: "WeakKeyDictionary[Client, Gauges]" = WeakKeyDictionary()


def gauges_of(client: Client) -> Gauges:
    """Return what was seen through a client."""
    return _GAUGES.setdefault(client, Gauges())


async def asked(client: Client, ask: Callable[[temporalio.client.Client], Awaitable[T]]) -> tuple[EngineView, T | None]:
    """Ask the engine, and return how it is, and its answer; None where it is away."""
    gauges = gauges_of(client)
    address, ui = _place(client)
    try:
        async with asyncio.timeout(AWAY_AFTER_SECONDS):
            temporal = await client.temporal()
            version, answer = await asyncio.gather(server_version(temporal), ask(temporal))
    except (EngineUnavailable, RPCError, RuntimeError, TimeoutError):
        gauges.away_since = gauges.away_since or datetime.now(tz=UTC)
        return EngineView(state="away", address=address, away_since=gauges.away_since), None
    gauges.away_since = None
    return EngineView(state="ok", address=address, version=version, ui=ui), answer


def _place(client: Client) -> tuple[str | None, str | None]:
    """Return the engine's address, and where its own pages are served."""
    if cluster := read_cluster():
        return cluster.address, None
    state = Home(client.settings.home).read_state()
    return (None, None) if state is None else (state.address, TEMPORAL_UI if state.ui_address else None)

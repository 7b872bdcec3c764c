"""A receiver of webhooks that can be down, slow, failing, and back."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
"""A secret as Standard Webhooks writes it, of this test alone."""


@dataclass
class Received:
    """A request."""

    headers: dict[str, str]
    body: bytes

    @property
    def event(self) -> dict[str, Any]:
        return json.loads(self.body)


@dataclass
class Receiver:
    """Takes events, or does what it is told to instead.

    Attributes:
        taken: What it has answered with 2xx, in order.
        asked: How many requests came in.
        behaviour: Called with the number of the request; returns a status, ``slow``, ``hang``, ``cut``, or ``take and``
            one of the last two.
    """

    taken: list[Received] = field(default_factory=list)
    asked: int = 0
    behaviour: Callable[[int], int | str] = lambda _: 204
    headers: dict[str, str] = field(default_factory=dict)
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/events"

    @property
    def types(self) -> list[str]:
        return [one.event["type"] for one in self.taken]

    def of(self, workflow_id: str) -> list[str]:
        """The occurrences of a workflow in the order in which they came first, and how often each."""
        ids: dict[str, str] = {}
        for one in self.taken:
            if one.event["subject"] == workflow_id:
                ids.setdefault(one.event["id"], one.event["type"].rpartition(".")[2])
        return list(ids.values())

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked += 1
        body = await request.read()
        does = self.behaviour(self.asked)
        if str(does).startswith("take"):
            self._take(request, body)
        if str(does).endswith("hang"):
            await asyncio.sleep(3_600)
        if does in {"cut", "take and cut"}:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        if does == "slow":
            await asyncio.sleep(0.3)
            does = 200
        assert isinstance(does, int)
        if 200 <= does < 300:
            self._take(request, body)
        return web.Response(status=does, headers=self.headers, text="" if does == 204 else "as you wish")

    def _take(self, request: web.Request, body: bytes) -> None:
        self.taken.append(Received(headers={k.lower(): v for k, v in request.headers.items()}, body=body))


@asynccontextmanager
async def receiving(receiver: Receiver, *, port: int = 0) -> AsyncIterator[Receiver]:
    """Answer at a port of this machine while the block runs."""
    app = web.Application()
    app.router.add_post("/events", receiver.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", port)
    await site.start()
    receiver.port = site._server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        await runner.cleanup()

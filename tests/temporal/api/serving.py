"""The API on a port of its own, and a caller of it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from engines import until
from outlive.api.server import api_server
from outlive.app import App
from outlive.engine.ports import free_port
from outlive.settings import Settings


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any
    headers: Any


class Caller:
    """Calls the API, and reads its answers."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self.session = session
        self.url = url

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.ask("GET", path, **options)

    async def post(self, path: str, body: Any = None, **options: Any) -> Answer:
        return await self.ask("POST", path, **({} if body is None else {"json": body}), **options)

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        async with self.session.request(method, self.url + path, **options) as answer:
            text = await answer.text()
            is_json = "json" in answer.headers.get("content-type", "")
            return Answer(answer.status, json.loads(text) if is_json and text else text, answer.headers)

    async def events(self, path: str, *, limit: int | None = None, **options: Any) -> list[dict[str, str]]:
        """Read server-sent events, to the end of the stream or so many."""
        found: list[dict[str, str]] = []
        frame: dict[str, str] = {}
        async with self.session.get(self.url + path, **options) as answer:
            assert answer.status == 200, await answer.text()
            async for raw in answer.content:
                line = raw.decode().rstrip("\n")
                name, _, value = line.partition(": ")
                if line and not line.startswith(":"):
                    frame[name] = value
                elif frame:
                    found.append(frame)
                    frame = {}
                    if len(found) == limit:
                        break
        return found


@asynccontextmanager
async def api_of(app: App, settings: Settings) -> AsyncIterator[Caller]:
    """Serve an app's API for as long as the block runs."""
    port = free_port()
    server = api_server(app, settings, port=port)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started or serving.done(), "the API is up")
    try:
        async with aiohttp.ClientSession() as session:
            yield Caller(session, f"http://127.0.0.1:{port}")
    finally:
        server.should_exit = True
        await serving

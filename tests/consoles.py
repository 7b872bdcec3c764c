"""The console on a port of its own, and its pages in browsers, whose requests look like those of pages."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from engines import until
from outlive.app import App
from outlive.console.server import console_server
from outlive.engine.ports import free_port
from outlive.settings import Settings
from temporal.api.serving import Answer, Caller

NOW_AND_THEN = 60.0  # seconds in which an event has to come


class Page(Caller):
    """A page of the console in a browser: sends its origin, keeps cookies, and after signing in its CSRF token."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        super().__init__(session, url)
        self.csrf = ""

    async def ask(self, method: str, path: str, **options: Any) -> Answer:
        own = {"Origin": self.url} | ({"X-CSRF-Token": self.csrf} if self.csrf else {})
        return await super().ask(method, path, **options | {"headers": own | options.get("headers", {})})

    async def sign_in(self, token: str, name: str = "ada") -> Answer:
        answer = await self.post("/v1/session", {"token": token, "name": name})
        self.csrf = answer.body.get("csrf") or ""
        return answer

    @asynccontextmanager
    async def live(self, topics: str, last_id: str = "") -> AsyncIterator["Stream"]:
        """Follow topics for as long as the block runs."""
        headers = {"Last-Event-ID": last_id} if last_id else {}
        async with self.session.get(f"{self.url}/v1/live", params={"topics": topics}, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            yield Stream(answer)


class Stream:
    """Server-sent events as they come.

    Attributes:
        last_id: Of the last event that had one.
    """

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer
        self._read = bytearray()
        self.last_id = ""

    async def next(self, *names: str) -> dict[str, str]:
        """Return the next event of one of these names."""
        frame: dict[str, str] = {}
        async with asyncio.timeout(NOW_AND_THEN):
            while (line := await self._line()) is not None:
                if line:
                    name, _, value = line.partition(": ")
                    frame[name] = value
                    continue
                self.last_id = frame.get("id", self.last_id)
                if frame.get("event") in names:
                    return frame
                frame = {}
        raise AssertionError(f"the stream ended before one of {names}")

    async def _line(self) -> str | None:
        """Return the next line, however long; None at the end."""
        while b"\n" not in self._read:
            part = await self._answer.content.readany()
            if not part:
                return None
            self._read += part
        line, _, rest = self._read.partition(b"\n")
        self._read = bytearray(rest)
        return line.decode()


@asynccontextmanager
async def console_of(app: App, settings: Settings, *, port: int = 0, **options: Any) -> AsyncIterator[str]:
    """Serve an app's console for as long as the block runs, and give its address."""
    at = port or free_port()
    server = console_server(app, settings, port=at, **options)
    serving = asyncio.create_task(server.serve())
    await until(lambda: server.started or serving.done(), "the console is up")
    try:
        yield f"http://127.0.0.1:{at}"
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def page_of(url: str) -> AsyncIterator[Page]:
    """Open a page in a browser of its own."""
    jar = aiohttp.CookieJar(unsafe=True)  # cookies of addresses without a name
    async with aiohttp.ClientSession(cookie_jar=jar) as session:
        yield Page(session, url)

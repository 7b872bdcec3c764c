"""A provider on loopback that answers as each test scripts it, over real HTTP."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import web

from outlive.models.calls import Models
from outlive.settings import Settings

Reply = Callable[[web.Request], Awaitable[web.StreamResponse]]


def completion(content: object = "fine", *, finish_reason: str | None = "stop", **extra: Any) -> dict[str, Any]:
    """Return the body of a chat completion; content that is not text is sent as JSON text."""
    text = content if isinstance(content, str) else json.dumps(content)
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt-4o-mini",
        "choices": [choice],
        "usage": {"prompt_tokens": 1000, "completion_tokens": 200, "total_tokens": 1200},
        **extra,
    }


class Provider:
    """An OpenAI-compatible server. `script` is worked off call by call; its last reply is repeated."""

    def __init__(self) -> None:
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.script: list[Reply] = [self.says("fine")]
        self.in_flight = 0
        self.most_in_flight = 0
        self.url = ""

    def says(self, content: object = "fine", **changes: Any) -> Reply:
        async def reply(_: web.Request) -> web.StreamResponse:
            return web.json_response(completion(content, **changes))

        return reply

    def sends(self, status: int, body: object = None, **headers: str) -> Reply:
        async def reply(_: web.Request) -> web.StreamResponse:
            text = body if isinstance(body, str) else json.dumps(body if body is not None else {"error": {}})
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            return web.Response(status=status, text=text, content_type="application/json", headers=named)

        return reply

    async def hangs(self, _: web.Request) -> web.StreamResponse:
        await asyncio.sleep(60)
        return web.Response()

    async def disconnects(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def breaks_off(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "application/json", "content-length": "5000"})
        await response.prepare(request)
        await response.write(b'{"id": "chatcmpl-1", "choices": [{"message": {"content": "half an ans')
        assert request.transport is not None
        request.transport.close()
        return response

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(await request.json() if request.can_read_body else {"path": request.path})
        self.headers.append({name.lower(): value for name, value in request.headers.items()})
        reply = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            return await reply(request)
        finally:
            self.in_flight -= 1

    def texts(self) -> list[str]:
        """Return what the user messages of all calls said."""
        return [
            message["content"] for body in self.requests for message in body["messages"] if message["role"] == "user"
        ]


@pytest.fixture
async def provider(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Provider]:
    provider = Provider()
    app = web.Application(client_max_size=64 * 1024 * 1024)
    app.router.add_post("/v1/chat/completions", provider.handle)
    app.router.add_post("/v1/messages", provider.handle)
    app.router.add_get("/v1/models/{name}", provider.handle)
    app.router.add_post("/v1beta/models/{name}", provider.handle)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    monkeypatch.setenv("OPENAI_BASE_URL", provider.url)
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.url.removesuffix("/v1"))
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-test")
    yield provider
    await runner.cleanup()


@pytest.fixture
async def models() -> AsyncIterator[Models]:
    async with Models(Settings(model_attempts=3, model_timeout=20.0), first_backoff=0.001) as models:
        yield models


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])

"""A small HTTP server on loopback, cheap enough to share a machine with what it measures."""

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

MAX_REQUEST_BYTES = 64 * 1024 * 1024
ADDRESS_LINE = "listening on "


class LoopbackServer:
    """Serves one handler on 127.0.0.1 for as long as the context lasts; no router, no middleware, no access log.

    A handler is cancelled when its client goes away, so that it can tell an answer that was sent from one that was not.
    """

    def __init__(self, handler: Handler, *, port: int = 0) -> None:
        self._handler = handler
        self._port = port
        self._runner: web.ServerRunner | None = None

    async def __aenter__(self) -> Self:
        served = web.Server(self._handler, request_factory=_request, handler_cancellation=True, access_log=None)
        self._runner = web.ServerRunner(served, shutdown_timeout=1.0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self._port, backlog=2048).start()
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    @property
    def address(self) -> str:
        """``http://127.0.0.1:PORT``, known once the context is entered."""
        return f"http://127.0.0.1:{self._port}"


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    return web.BaseRequest(
        message, payload, protocol, writer, task, asyncio.get_running_loop(), client_max_size=MAX_REQUEST_BYTES
    )


def json_response(value: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Return a JSON answer."""
    return web.Response(
        body=json.dumps(value).encode(), status=status, headers=headers, content_type="application/json"
    )


async def serve_until_signalled(server: LoopbackServer) -> None:
    """Serve, print the address as one line, and return on SIGINT or SIGTERM."""
    loop = asyncio.get_running_loop()
    is_told_to_stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, is_told_to_stop.set)
    async with server:
        sys.stdout.write(f"{ADDRESS_LINE}{server.address}\n")
        sys.stdout.flush()
        await is_told_to_stop.wait()


@dataclass(frozen=True)
class ServerProcess:
    """A server in a process of its own."""

    address: str
    pid: int


@asynccontextmanager
async def server_process(module: str, *arguments: str) -> AsyncIterator[ServerProcess]:
    """Run ``python -m module arguments`` for as long as the context lasts, once it has printed its address.

    Raises:
        RuntimeError: Where the process ends, or prints something else, instead of its address.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", module, *arguments, stdout=asyncio.subprocess.PIPE, start_new_session=True
    )
    assert process.stdout is not None
    try:
        line = (await process.stdout.readline()).decode().strip()
        if not line.startswith(ADDRESS_LINE):
            raise RuntimeError(f"`python -m {module}` printed {line!r} where its address was due.")
        yield ServerProcess(address=line.removeprefix(ADDRESS_LINE), pid=process.pid)
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()

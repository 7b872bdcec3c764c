"""Heartbeats for calls whose tool blocks the event loop: a thread of its own sends them meanwhile.

An ``async def`` tool that blocks (``requests.get``, ``time.sleep``, a long computation) stops every heartbeat of its
process. Without this, the engine would take the worker for dead, and the call would be made again beside itself.
"""

import asyncio
import logging
import sys
import threading
import time
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from temporalio.api.workflowservice.v1 import RecordActivityTaskHeartbeatRequest
from temporalio.client import Client
from temporalio.service import RPCError

logger = logging.getLogger(__name__)

BEAT_SECONDS = 0.5
BLOCKED_SECONDS = 1.5
"""Silence of the event loop after which it counts as blocked."""


class Pulse:
    """Watches the event loop that it is entered in, and sends heartbeats for it while it is blocked."""

    def __init__(self, connect: Callable[[], Awaitable[Client]]) -> None:
        """Take what connects to the engine: a client belongs to one event loop, and the thread has its own."""
        self._connect = connect
        self._tokens: set[bytes] = set()
        self._beat_at = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outlive-pulse", daemon=True)
        self._watched = threading.get_ident()
        self._beating: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._watched = threading.get_ident()
        self._beating = asyncio.create_task(self._beat())
        self._thread.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        if self._beating is not None:
            self._beating.cancel()
            await asyncio.gather(self._beating, return_exceptions=True)
        await asyncio.to_thread(self._thread.join)

    @contextmanager
    def watching(self, task_token: bytes) -> Iterator[None]:
        """Keep one activity's attempt alive for as long as the block runs."""
        self._tokens.add(task_token)
        try:
            yield
        finally:
            self._tokens.discard(task_token)

    async def _beat(self) -> None:
        while True:
            self._beat_at = time.monotonic()
            await asyncio.sleep(BEAT_SECONDS)

    def _run(self) -> None:
        asyncio.run(self._watch())

    async def _watch(self) -> None:
        client: Client | None = None
        is_told = False
        while not self._stopping.is_set():
            await asyncio.sleep(BEAT_SECONDS)
            if time.monotonic() - self._beat_at < BLOCKED_SECONDS or not self._tokens:
                is_told = False
                continue
            if not is_told:
                is_told = True
                logger.warning("The event loop is blocked; a blocking tool is declared with def", extra=self._where())
            try:
                client = client or await self._connect()
                for token in list(self._tokens):
                    request = RecordActivityTaskHeartbeatRequest(
                        task_token=token, identity=client.identity, namespace=client.namespace
                    )
                    await client.workflow_service.record_activity_task_heartbeat(request)
            except (RPCError, RuntimeError):  # no engine, or the attempt has ended: the next round tells
                continue

    def _where(self) -> dict[str, str]:
        frame = sys._current_frames().get(self._watched)  # noqa: SLF001 - the documented way to another thread's stack
        if frame is None:
            return {}
        last = traceback.extract_stack(frame)[-1]
        return {"blocked_in": f"{last.filename}:{last.lineno} {last.name}"}

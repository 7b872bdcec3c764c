"""How a worker process is: what whoever watches it may ask, over HTTP where a port is given."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta

from aiohttp import web
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from outlive.errors import EngineFailed, LedgerError
from outlive.ledger.ledger import Ledger
from outlive.meters import Measure, count, is_collected
from outlive.worker.holdings import Holdings, hand_back

COUNT_SECONDS = 10.0  # between two counts of what waits: a scrape asks every 15 or 30 s
ANSWER_SECONDS = 2.0  # a probe of Kubernetes waits a second by default; what answers later is not ready


@dataclass(kw_only=True)
class Vitals:
    """What is known of a worker process, filled in by `outlive.worker.process.serve` as it comes up.

    Attributes:
        is_draining: Whether it was asked to stop.
    """

    client: Client | None = None
    ledger: Ledger | None = None
    worker: Worker | None = None
    holdings: Holdings | None = None
    is_draining: bool = False

    async def readiness(self) -> dict[str, bool]:
        """Return what has to be true of a worker that takes work, each by its name."""
        engine, ledger = await asyncio.gather(self._engine_answers(), self._ledger_answers())
        return {
            "polling": self.worker is not None and self.worker.is_running,
            "engine": engine,
            "ledger": ledger,
            "not_draining": not self.is_draining,
        }

    async def hand_back_all(self) -> None:
        """Give what this process holds back to the engine at once, so that others make it."""
        if self.client is not None and self.holdings is not None:
            await asyncio.gather(*(hand_back(self.client, held) for held in self.holdings.held()))

    async def _engine_answers(self) -> bool:
        if self.client is None:
            return False
        try:
            await self.client.workflow_service.get_system_info(
                GetSystemInfoRequest(), timeout=timedelta(seconds=ANSWER_SECONDS)
            )
        except RPCError:
            return False
        return True

    async def _ledger_answers(self) -> bool:
        if self.ledger is None:
            return False
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self.ledger.call(self.ledger.rates.answers)
        except (LedgerError, TimeoutError):
            return False


@asynccontextmanager
async def answering_probes(vitals: Vitals, *, host: str, port: int) -> AsyncIterator[None]:
    """Answer ``/healthz`` and ``/readyz`` for as long as the block runs; port 0 answers nothing.

    Raises:
        EngineFailed: If the port is taken.
    """
    if not port:
        yield
        return

    async def healthz(_request: web.Request) -> web.Response:
        return web.json_response({"alive": True})

    async def readyz(_request: web.Request) -> web.Response:
        found = await vitals.readiness()
        return web.json_response({"ready": all(found.values()), **found}, status=200 if all(found.values()) else 503)

    probes = web.Application()
    probes.add_routes([web.get("/healthz", healthz), web.get("/readyz", readyz)])
    runner = web.AppRunner(probes, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise EngineFailed(
            f"The worker cannot answer probes at {host}:{port}: {error.strerror}. Choose another OUTLIVE_HEALTH_PORT."
        ) from error
    try:
        yield
    finally:
        await runner.cleanup()


@asynccontextmanager
async def counting_what_waits(ledger: Ledger) -> AsyncIterator[None]:
    """Count what waits for people every while, as long as the block runs and somebody collects it."""
    counting = asyncio.create_task(_count(ledger)) if is_collected() else None
    try:
        yield
    finally:
        if counting is not None:
            counting.cancel()
            await asyncio.gather(counting, return_exceptions=True)


async def _count(ledger: Ledger) -> None:
    while True:
        with suppress(LedgerError):  # it is told of where it is needed
            count(Measure.HAND_OFFS, await ledger.call(ledger.hand_offs.count_open))
        await asyncio.sleep(COUNT_SECONDS)

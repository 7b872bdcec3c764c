"""One worker process from its start to its end: what it serves, whom it answers, and how it is stopped.

Asked to stop once, it drains: what is in flight has `Settings.drain_timeout`, and what does not end in that time is
broken off and handed back. Asked twice, it hands back what it holds and ends.
"""

import asyncio
import logging
import os
import signal
import sys
import threading
from contextlib import AsyncExitStack, suppress

from outlive.app import App
from outlive.engine.connection import connect, core_runtime
from outlive.engine.metrics import RuntimeCollector, expose_metrics
from outlive.errors import EngineFailed
from outlive.meters import collected
from outlive.settings import Settings
from outlive.worker.children import parent_gone
from outlive.worker.process import serve
from outlive.worker.vitals import Vitals, answering_probes

logger = logging.getLogger(__name__)

SLACK_SECONDS = 5.0  # after the drain timeout, for telling the engine what was broken off
HANDING_BACK_SECONDS = 2.0
ENDED_AT_ONCE = 130  # exit status of a worker that was asked twice
OVERDUE = 75  # exit status of one whose own code kept it from draining


def run_worker(app: App, settings: Settings, *, health_port: int = 0, metrics_port: int = 0, build: str = "") -> None:
    """Serve until SIGTERM, SIGINT or the death of the supervisor; end the process.

    It never returns: a thread in which a tool blocks cannot be ended, and is not to keep the process.

    Args:
        health_port: Where ``/healthz`` and ``/readyz`` are answered; 0 for nowhere.
        metrics_port: Where ``/metrics`` is; 0 for nowhere.
        build: Build id of the version that is served; empty for none.

    Raises:
        OutliveError: If it cannot begin to serve.
    """
    if metrics_port:
        expose_metrics(f"{settings.bind}:{metrics_port}")
    asyncio.run(_run(app, settings, health_port=health_port, counts=bool(metrics_port), build=build))


async def _run(app: App, settings: Settings, *, health_port: int, counts: bool, build: str) -> None:
    vitals, stop = Vitals(), asyncio.Event()
    _stop_on_signals(vitals, stop, settings.drain_timeout)
    orphaned = asyncio.create_task(parent_gone(drain_timeout=settings.drain_timeout))
    orphaned.add_done_callback(lambda _: stop.set())
    async with AsyncExitStack() as stack:
        if counts:
            stack.enter_context(collected(_collector()))
        await stack.enter_async_context(answering_probes(vitals, host=settings.bind, port=health_port))
        await serve(await connect(settings), app, settings, stop, vitals=vitals, build=build)
    _end(0)


def _collector() -> RuntimeCollector:
    try:
        return RuntimeCollector(core_runtime())
    except (RuntimeError, ValueError) as error:  # the SDK has no narrower ones
        raise EngineFailed(f"The metrics cannot be served: {error}. Choose another OUTLIVE_METRICS_PORT.") from error


def _stop_on_signals(vitals: Vitals, stop: asyncio.Event, drain_timeout: float) -> None:
    ending: list[asyncio.Task[None]] = []

    def asked() -> None:
        if stop.is_set():
            ending.append(asyncio.ensure_future(_end_at_once(vitals)))
            return
        logger.info("The worker was asked to stop and drains", extra={"seconds": drain_timeout})
        vitals.is_draining = True
        stop.set()
        watch = threading.Timer(drain_timeout + SLACK_SECONDS, os._exit, args=(OVERDUE,))
        watch.daemon = True
        watch.start()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)


async def _end_at_once(vitals: Vitals) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(HANDING_BACK_SECONDS):
            await vitals.hand_back_all()
    _end(ENDED_AT_ONCE)


def _end(status: int) -> None:
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)

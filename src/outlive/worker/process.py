"""One worker process: what it serves, and how it stops."""

import asyncio
import logging
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from temporalio.client import Client
from temporalio.service import RPCError
from temporalio.worker import Worker

from outlive.activities.batch_runtime import BatchRuntimes
from outlive.activities.batches import BatchBooks
from outlive.activities.telling import Teller
from outlive.activities.windows import Windows
from outlive.app import App
from outlive.encryption.keyring import keyring_of
from outlive.engine.connection import configured_cluster
from outlive.engine.home import Home
from outlive.engine.presence import Presence
from outlive.engine.retained import describe_place, read_namespace_id
from outlive.ledger.ledger import Ledger, ledger_of
from outlive.models.calls import Models
from outlive.models.given_prices import read_prices
from outlive.money.purse import Purse
from outlive.settings import Settings
from outlive.worker.delivering import delivering
from outlive.worker.holdings import HoldingInterceptor, Holdings, handing_back
from outlive.worker.limits import paced
from outlive.worker.local_stores import warn_of_local_stores
from outlive.worker.parts import WorkerParts
from outlive.worker.people import serve_hand_offs
from outlive.worker.slots import slots
from outlive.worker.starts import ScheduledStarts
from outlive.worker.tracing import traced
from outlive.worker.versions import deployment_config, keeping_version
from outlive.worker.vitals import Vitals, counting_what_waits
from outlive.worker.waking import telling_of_changed_budgets
from outlive.workflows.batch import BatchWorkflow
from outlive.workflows.scheduled import ScheduledWorkflow

logger = logging.getLogger(__name__)

HEARTBEAT_THROTTLE = timedelta(seconds=1)  # a pause or cancellation is heard of with the next heartbeat sent
STICKY_TIMEOUT = timedelta(seconds=2)  # a dead worker's cached workflows go on elsewhere after this
THREADS = 16
DAY_SECONDS = 86_400.0
LATE_SECONDS = 60.0  # after its time a model call can no longer be in flight


async def serve(
    client: Client,
    app: App,
    settings: Settings,
    stop: asyncio.Event,
    *,
    vitals: Vitals | None = None,
    build: str = "",
) -> None:
    """Serve an app's workflows and activities, and Outlive's own, until ``stop`` is set.

    Stopping is graceful: windows take no further document, those in flight get `Settings.drain_timeout`, and what is
    left is handed back to the engine at once.

    Args:
        vitals: Told of what there is to know of this process, as it comes up.
        build: Build id of the version that is served; empty for none.
    """
    vitals = vitals or Vitals()
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(THREADS, thread_name_prefix="outlive"))
    home = Home(settings.home)
    warn_of_local_stores(settings, has_cluster=configured_cluster())
    async with AsyncExitStack() as stack:
        holdings = stack.enter_context(Holdings(home))
        await stack.enter_async_context(handing_back(client, holdings))
        ledger = await stack.enter_async_context(Ledger(ledger_of(settings), keys=keyring_of(settings)))
        vitals.client, vitals.holdings, vitals.ledger = client, holdings, ledger
        pacer = await stack.enter_async_context(paced(app.registry, ledger, settings))
        given = {**app.registry.prices, **(read_prices(Path(settings.prices)) if settings.prices else {})}
        models = await stack.enter_async_context(Models(settings, prices=given, pacer=pacer))
        longest_call = settings.model_timeout + LATE_SECONDS
        purse = Purse(ledger, app=app.name, longest_call=longest_call)
        for scope in app.registry.budgets:
            await ledger.call(ledger.budgets.declare, scope)
        runtimes = BatchRuntimes(registry=app.registry, ledger=ledger, models=models, settings=settings, purse=purse)
        teller = Teller(app.registry, ledger, lasts=settings.notify_days * DAY_SECONDS)
        books = BatchBooks(ledger, teller)
        tracing = stack.enter_context(traced(settings))
        if app.registry.agents or app.registry.plans:  # Pydantic AI is imported for them alone: that takes seconds
            from outlive.models.prices import Prices
            from outlive.worker.agents import serve_agents

            serving = serve_agents(
                app.registry,
                ledger=ledger,
                settings=settings,
                holdings=holdings,
                purse=purse,
                prices=Prices(given),
                pacer=pacer,
                teller=teller,
            )
        else:
            serving = serve_hand_offs(app.registry, ledger=ledger, settings=settings, teller=teller)
        parts = await stack.enter_async_context(serving)
        activities: list[Callable[..., Any]] = [
            Windows(runtimes).work_window,
            books.count_missing,
            books.mark_batch,
            ScheduledStarts(app.registry, ledger, settings).prepare_start,
            *parts.activities,
        ]
        parts = replace(
            parts,
            activities=activities,
            interceptors=[HoldingInterceptor(holdings), *parts.interceptors],
            plugins=[*parts.plugins, *tracing],
        )
        worker = _worker(client, app, settings, parts, build=build)
        await stack.enter_async_context(worker)
        vitals.worker = worker
        await stack.enter_async_context(keeping_version(client, app.name, build, settings, stop))
        await _note_namespace(client, ledger)
        await stack.enter_async_context(telling_of_changed_budgets(client, ledger, longest_call=longest_call))
        await stack.enter_async_context(counting_what_waits(ledger))
        await stack.enter_async_context(delivering(client, ledger, settings, teller))
        stack.enter_context(Presence(home).announce(settings.task_queue, parts.agents))
        logger.info("The worker began to serve", extra={"task_queue": settings.task_queue, "app": app.name})
        await stop.wait()
    logger.info("The worker has drained")


def _worker(client: Client, app: App, settings: Settings, parts: WorkerParts, *, build: str) -> Worker:
    """Return the worker of the app's own and of what Outlive adds to it."""
    return Worker(
        client,
        task_queue=settings.task_queue,
        workflows=[BatchWorkflow, ScheduledWorkflow, *parts.workflows, *app.registry.workflows],
        activities=[*parts.activities, *app.registry.activities],
        interceptors=parts.interceptors,
        plugins=parts.plugins,
        workflow_runner=parts.workflow_runner,
        activity_executor=ThreadPoolExecutor(settings.activity_slots, thread_name_prefix="activity"),
        **slots(settings),
        graceful_shutdown_timeout=timedelta(seconds=settings.drain_timeout),
        max_heartbeat_throttle_interval=HEARTBEAT_THROTTLE,
        sticky_queue_schedule_to_start_timeout=STICKY_TIMEOUT,
        deployment_config=deployment_config(app.registry, build),
    )


async def _note_namespace(client: Client, ledger: Ledger) -> None:
    """Remember whose runs are recorded here, so that housekeeping for another namespace removes nothing of them."""
    try:
        namespace_id = await read_namespace_id(client)
    except RPCError as error:  # the worker's next start notes it
        logger.warning("The namespace could not be asked for its id", extra={"reason": error.message})
        return
    await ledger.call(ledger.retention.note_namespace, namespace_id, describe_place(client))


def stop_on_signals(stop: asyncio.Event) -> None:
    """Set the event on SIGTERM and SIGINT."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)

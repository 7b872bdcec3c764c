"""Outlive itself, driven as an application drives it: engine and workers by the supervisor, a batch by the client."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from bench_app import MODEL, app
from measuring import cpu_seconds
from outlive import BatchHandle, BatchRequest, Client, Settings, open_source
from outlive.contracts.batches import ReadingOptions
from outlive.ledger.records import BatchState, Progress
from outlive.worker.supervisor import Supervisor

READING = ReadingOptions(allow_private_addresses=True, connections_per_host=64)
LOOK_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Run:
    """What one batch took.

    Attributes:
        seconds: From asking for the batch to its last outcome.
        load_seconds: The part of it before the batch was accepted: writing its list of documents down.
        worker_cpu: CPU-seconds of the worker processes, in the same time.
        engine_cpu: CPU-seconds of the engine.
    """

    seconds: float
    load_seconds: float
    worker_cpu: float
    engine_cpu: float
    progress: Progress
    handle: BatchHandle


@dataclass(frozen=True)
class Product:
    """A running engine with workers, and a client."""

    client: Client
    supervisor: Supervisor

    async def run(
        self,
        documents: Path,
        *,
        batch_id: str,
        in_flight: int,
        look: Callable[[Progress], None] | None = None,
        limit: float = 3600.0,
    ) -> Run:
        """Run one batch to its end, and show each look at its progress to the caller."""
        workers, engine = self.supervisor.worker_pids, [self.supervisor.engine_pid]
        worker_cpu, engine_cpu, began = cpu_seconds(workers), cpu_seconds(engine), time.monotonic()
        request = BatchRequest.of(
            "analyze",
            open_source(str(documents)),
            model=MODEL,
            batch_id=batch_id,
            concurrency=in_flight,
            reading=READING,
            fresh=True,
        )
        handle = await self.client.start_batch(request)
        load_seconds = time.monotonic() - began
        async with asyncio.timeout(limit):
            while (await handle.record()).state not in {BatchState.FINISHED, BatchState.CANCELLED}:
                if look is not None:
                    look((await handle.status(ask_engine=False)).progress)
                await asyncio.sleep(LOOK_SECONDS)
        return Run(
            seconds=time.monotonic() - began,
            load_seconds=load_seconds,
            worker_cpu=cpu_seconds(workers) - worker_cpu,
            engine_cpu=cpu_seconds(engine) - engine_cpu,
            progress=(await handle.status(ask_engine=False)).progress,
            handle=handle,
        )


@asynccontextmanager
async def product(home: Path, *, workers: int) -> AsyncIterator[Product]:
    """Run engine and workers in a home of their own for as long as the context lasts."""
    os.chdir(Path(__file__).parent)  # where the workers find the app
    settings = replace(Settings.load(), home=home, port=0, ui_port=0, allow_private_addresses=True)
    supervisor = Supervisor(settings, app="bench_app:app", workers=workers, reload=False)
    async with supervisor, Client(settings, app=app) as client:
        yield Product(client, supervisor)

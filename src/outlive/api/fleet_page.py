"""Workers, versions, queues and deliveries: the page and its JSON twin."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime

import temporalio.client

from outlive.api.engine_part import asked
from outlive.api.views_fleet import DeliveryCounts, DeliveryView, DeploymentView, FleetView, QueueView, WorkerView
from outlive.client import Client
from outlive.engine.fleet import Deployment, SeenWorker, known_workers, read_deployment
from outlive.engine.queues import SeenQueue, read_queue
from outlive.ledger.outbox import DeliveryState

BEGINNING = datetime.min.replace(tzinfo=UTC)
MOST_PARKED = 100  # that are shown


@dataclass(frozen=True, kw_only=True)
class _EnginePart:
    workers: Sequence[SeenWorker]
    deployments: Sequence[Deployment]
    queues: Sequence[SeenQueue]


async def read_fleet(client: Client, _: str = "") -> FleetView:
    """Return what does the work as it is now. Where the engine is away, what the ledger knows."""

    async def ask(temporal: temporalio.client.Client) -> _EnginePart:
        return await _engine_part(temporal, client.settings.task_queue)

    engine, found = await asked(client, ask)
    deliveries = client.ledger.deliveries
    counts = await client.ledger.call(deliveries.counts)
    parked = await client.ledger.call(deliveries.listed, states=[DeliveryState.PARKED], limit=MOST_PARKED)
    return FleetView(
        as_of=datetime.now(tz=UTC),
        engine=engine,
        workers=[WorkerView.model_validate(worker) for worker in (found.workers if found else ())],
        deployments=[DeploymentView.model_validate(asdict(one)) for one in (found.deployments if found else ())],
        queues=[QueueView.model_validate(queue) for queue in (found.queues if found else ())],
        deliveries=DeliveryCounts(**counts),
        parked=[DeliveryView.of(record) for record in parked],
    )


def timeless_fleet(fleet: FleetView) -> FleetView:
    """Return what of the page counts as a change: not that a worker was heard of again, nor the moment of reading."""
    workers = [worker.model_copy(update={"heard_at": None}) for worker in fleet.workers]
    return fleet.model_copy(update={"as_of": BEGINNING, "workers": workers})


async def _engine_part(temporal: temporalio.client.Client, task_queue: str) -> _EnginePart:
    workers = sorted(await known_workers(temporal) or (), key=lambda one: (one.task_queue, one.host, one.pid))
    apps = sorted({worker.app for worker in workers if worker.app})
    queues = sorted({task_queue, *(worker.task_queue for worker in workers)})
    deployments, found = await asyncio.gather(
        asyncio.gather(*(read_deployment(temporal, app) for app in apps)),
        asyncio.gather(*(read_queue(temporal, queue) for queue in queues)),
    )
    return _EnginePart(workers=workers, deployments=[one for one in deployments if one], queues=found)

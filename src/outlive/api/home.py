"""What runs, what waits for a person, what is stuck and what it costs: the first page and its JSON twin."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import temporalio.client

from outlive.api.batch_pages import card_of
from outlive.api.engine_part import asked, gauges_of
from outlive.api.looking import find_runs
from outlive.api.views import HandOffView, RunView, parts_of
from outlive.api.views_batches import BatchCard
from outlive.api.views_home import HomeView, RatesView, RunningCounts, StuckView, WorkerCounts
from outlive.api.views_money import SpentView
from outlive.client import Client
from outlive.desk.records import shown
from outlive.engine.fleet import SeenWorker, known_workers
from outlive.engine.health import batch_health
from outlive.engine.overview import count_open, open_runs, problem_of, stuck_runs
from outlive.engine.run_health import worker_problem
from outlive.handles import BatchHandle, BatchStatus, trouble
from outlive.ledger.records import BatchRecord, BatchState
from outlive.names import AGENT_WORKFLOW, PLAN_WORKFLOW, batch_workflow_id

OLDEST_HAND_OFFS = 5
LATEST_RUNS = 10
MOST_BATCHES = 20  # that are open: of more, the latest
BEGINNING = datetime.min.replace(tzinfo=UTC)
MOST_STUCK = 20  # that are named


@dataclass(frozen=True, kw_only=True)
class _EnginePart:
    """What only the engine knows."""

    agents: int
    plans: int
    recent: Sequence[RunView]
    workers: Sequence[SeenWorker] | None
    stuck: Sequence[StuckView]


async def read_home(client: Client, _: str = "") -> HomeView:
    """Return the first page as it is now. Where the engine is away, what the ledger knows."""
    ledger = client.ledger
    records = await ledger.call(ledger.batches.listed, {BatchState.RUNNING, BatchState.PAUSED})
    opened = records[: -MOST_BATCHES - 1 : -1]

    async def ask(temporal: temporalio.client.Client) -> _EnginePart:
        return await _engine_part(client, temporal, opened)

    engine, found = await asked(client, ask)
    cards = [await _card(client, record) for record in opened]
    hand_offs = await ledger.call(ledger.hand_offs.listed, limit=OLDEST_HAND_OFFS)
    today = datetime.now(tz=UTC).date().isoformat()
    spent = await ledger.call(ledger.spending.totals, "day", since=today)
    calls = await ledger.call(ledger.spending.count_calls)
    return HomeView(
        as_of=datetime.now(tz=UTC),
        engine=engine,
        running=RunningCounts(
            agents=found.agents if found else None,
            plans=found.plans if found else None,
            batches=sum(record.state is BatchState.RUNNING for record in records),
        ),
        waiting=await ledger.call(ledger.hand_offs.count_open),
        stuck=list(found.stuck) if found else [],
        money_today=SpentView.sum_of(spent),
        rates=RatesView(
            documents_per_minute=_sum(card.documents_per_minute for card in cards),
            calls_per_minute=gauges_of(client).calls_per_minute(calls),
        ),
        hand_offs=[HandOffView.of(shown(record)) for record in hand_offs],
        batches=cards,
        recent=list(found.recent) if found else [],
        workers=_counted(found.workers if found else None),
        deliveries_parked=(await ledger.call(ledger.deliveries.counts)).get("parked", 0),
    )


def timeless_home(home: HomeView) -> HomeView:
    """Return what of the page counts as a change: all but the moment at which it was read."""
    return home.model_copy(update={"as_of": BEGINNING})


async def _engine_part(
    client: Client, temporal: temporalio.client.Client, opened: Sequence[BatchRecord]
) -> _EnginePart:
    agents, plans, of_agents, of_plans, workers, stuck = await asyncio.gather(
        count_open(temporal, AGENT_WORKFLOW),
        count_open(temporal, PLAN_WORKFLOW),
        find_runs(client, kind="agent", limit=LATEST_RUNS),
        find_runs(client, kind="plan", limit=LATEST_RUNS),
        _workers(client, temporal),
        _stuck(client, temporal, opened),
    )
    recent = sorted([*of_agents, *of_plans], key=lambda run: run.started_at or BEGINNING, reverse=True)
    return _EnginePart(agents=agents, plans=plans, recent=recent[:LATEST_RUNS], workers=workers, stuck=stuck)


async def _workers(client: Client, temporal: temporalio.client.Client) -> Sequence[SeenWorker] | None:
    found, queue = await known_workers(temporal), client.settings.task_queue
    return None if found is None else [worker for worker in found if worker.task_queue == queue]


async def _stuck(
    client: Client, temporal: temporalio.client.Client, opened: Sequence[BatchRecord]
) -> Sequence[StuckView]:
    """Return what does not move: batches that say so, runs whose code fails, and all runs where no worker is there."""
    stuck = [view for record in opened if (view := await _stuck_batch(client, temporal, record))]
    nobody = await worker_problem(temporal, client.settings, client.settings.task_queue)
    ids = await (open_runs if nobody else stuck_runs)(temporal, limit=MOST_STUCK)
    problems = await asyncio.gather(*(problem_of(temporal, client.settings, run) for run in ids))
    for workflow_id, problem in zip(ids, problems, strict=True):
        if problem:
            kind, name, _ = parts_of(workflow_id)
            stuck.append(StuckView(id=workflow_id, kind=kind, name=name, problem=problem))
    return stuck[:MOST_STUCK]


async def _stuck_batch(client: Client, temporal: temporalio.client.Client, record: BatchRecord) -> StuckView | None:
    if record.state is BatchState.PAUSED and not record.state_reason:
        return None  # somebody has paused it
    workflow_id = batch_workflow_id(record.batch_id)
    health = await batch_health(temporal, workflow_id, client.settings.task_queue)
    if health is None:
        return None
    progress = await client.ledger.progress(record)
    problem = trouble(BatchStatus(record=record, progress=progress, health=health))
    kind: Literal["batch"] = "batch"
    return StuckView(id=workflow_id, kind=kind, name=record.batch_id, problem=problem) if problem else None


async def _card(client: Client, record: BatchRecord) -> BatchCard:
    status = BatchStatus(record=record, progress=await client.ledger.progress(record))
    return await card_of(BatchHandle(client, record.batch_id), status)


def _counted(workers: Sequence[SeenWorker] | None) -> WorkerCounts:
    if workers is None:
        return WorkerCounts()
    states = [worker.state for worker in workers]
    return WorkerCounts(running=states.count("running"), silent=states.count("silent"))


def _sum(rates: Iterable[float | None]) -> float:
    return sum(rate for rate in rates if rate is not None)

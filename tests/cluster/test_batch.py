"""10,000 documents over three workers, while one part of the cluster after the other dies."""

import os
from pathlib import Path

import pytest
from sqlalchemy import select

from cluster.apps import app
from cluster.blows import assert_deaths, blows, report, strike_all
from cluster.children import kept
from cluster.conftest import Parts
from cluster.fleet import fleet
from engines import fresh
from outlive.batch_requests import BatchRequest
from outlive.client import Client
from outlive.documents.entries import Entry
from outlive.documents.sources import Source
from outlive.ledger.schema import batches, outcomes
from outlive.settings import Settings
from outlive.testing.model_server import ModelServer

DOCUMENTS = int(os.environ.get("CLUSTER_TEST_DOCUMENTS", "10000"))
IN_FLIGHT = 120
LATENCY = 0.5  # seconds


@pytest.mark.timeout(1800)
async def test_a_batch_loses_nothing_and_repeats_nothing_recorded_whatever_dies_under_it(
    parts: Parts, settings: Settings, run_folder: Path
):
    batch_id = fresh("batch")
    async with ModelServer(latency=LATENCY) as model, Client(settings, app=app) as client:
        environment = {"OPENAI_BASE_URL": model.base_url, "OPENAI_API_KEY": "sk-test"}
        async with (
            kept(parts.temporal.nodes.values()),
            fleet(settings, environment, folder=run_folder / "batch") as workers,
        ):
            struck = blows(parts, workers, await client.temporal(), lambda: model.counts.calls)
            handle = await client.start_batch(
                BatchRequest.of("ask", texts(), model="openai:counting", batch_id=batch_id, concurrency=IN_FLIGHT)
            )
            await strike_all(struck, lambda: model.counts.completed, DOCUMENTS)
            ended = await handle.result()
        recorded = recorded_at(client, batch_id)
        results = [row async for row in handle.results()]

    counts = model.counts
    calls = counts.documents.values()
    answered = [pair for one in calls for pair in zip(one.begun, one.ended, strict=True) if pair[1] is not None]
    took = ended.record.finished_at - ended.record.created_at
    report(
        struck,
        answered,
        documents=DOCUMENTS,
        calls_at_the_model=counts.calls,
        repeated=counts.calls - DOCUMENTS,
        said_to_be_begun_again=ended.progress.begun_again,
        seconds=round(took, 1),
    )
    begun_after_recorded = [n for n, at in recorded.items() if max(counts.documents[str(n)].begun) > at]
    assert [row.status for row in results] == ["done"] * DOCUMENTS
    assert begun_after_recorded == []
    assert counts.calls <= DOCUMENTS + ended.progress.begun_again
    assert counts.calls - DOCUMENTS <= IN_FLIGHT * len(struck)
    assert all(len(set(one.keys)) == 1 for one in calls)
    assert_deaths(workers)


def texts() -> Source:
    """Texts that the counting model knows by their number."""
    return Source(
        "numbered texts",
        lambda: (
            Entry(uri=f"texts#{number}", text=f"[document {number}] What text {number} has to say.")
            for number in range(DOCUMENTS)
        ),
    )


def recorded_at(client: Client, batch_id: str) -> dict[int, float]:
    """When the outcome of each document was recorded, as the ledger's database says."""
    wanted = select(outcomes.c.position, outcomes.c.recorded_at).join(batches, batches.c.number == outcomes.c.batch)
    with client.ledger.engine.begin() as connection:
        found = connection.execute(wanted.where(batches.c.batch_id == batch_id)).all()
    return dict(map(tuple, found))

"""Budgets of batches: documents wait for money, and none fails for want of it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from engines import fresh, until
from outlive import App, BatchHandle, BatchRequest, Budget, Document, Llm, open_source
from outlive.client import Client
from outlive.ledger.records import BatchState
from outlive.settings import Settings
from outlive.testing.model_server import ModelServer
from temporal.agents.conftest import serving

PRICES = {"counting": {"input": "1", "output": "10"}}
COUNT = 30


async def summarise(document: Document, llm: Llm) -> str:
    """Summarise."""
    return await llm(document.text)


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModelServer]:
    async with ModelServer() as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.base_url)
        monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
        yield server


@pytest.fixture
async def client(settings: Settings, server: ModelServer) -> AsyncIterator[Client]:
    app = App(fresh("app"), prices=PRICES)
    app.batch(concurrency=8)(summarise)
    async with serving(app, replace(settings, budget_output_tokens=200)) as client:
        yield client


async def begin(client: Client, tmp_path: Path, **values: object) -> BatchHandle:
    source = tmp_path / "texts.csv"
    source.write_text("text\n" + "".join(f'"[document {n}] Once upon a time."\n' for n in range(COUNT)))
    request = BatchRequest.of(
        "summarise",
        open_source(str(source), text_column="text"),
        model="openai:counting",
        batch_id=fresh("b"),
        **values,
    )
    return await client.start_batch(request)


async def reaches(handle: BatchHandle, state: BatchState) -> None:
    async def is_there() -> bool:
        return (await handle.record()).state is state

    await until(is_there, f"the batch is {state}")


async def test_a_batch_pauses_at_its_cap_and_goes_on_by_itself_when_it_is_raised(
    client: Client, server: ModelServer, tmp_path: Path
):
    handle = await begin(client, tmp_path, budget=Budget(calls=12))
    await reaches(handle, BatchState.PAUSED)
    key = f"batch/{handle.batch_id}"
    assert server.counts.calls == 12
    assert "does not pay for the next call" in (await handle.record()).state_reason

    await client.ledger.call(client.ledger.budgets.raise_caps, key, Budget(calls=COUNT), by="ada")
    await reaches(handle, BatchState.FINISHED)
    progress = (await handle.status(ask_engine=False)).progress
    record = await client.ledger.call(client.ledger.budgets.get, key)

    assert (progress.done, progress.failed_count, server.counts.calls) == (COUNT, 0, COUNT)
    assert record.spent["calls"] == COUNT
    assert record.spent["usd_nanos"] == progress.usd_nanos
    assert record.held["calls"] == record.doubtful["calls"] == 0


async def test_batches_of_a_tenant_are_paid_for_by_it_and_counted_in_the_totals(
    client: Client, server: ModelServer, tmp_path: Path
):
    tenant = fresh("acme")
    await client.ledger.call(client.ledger.budgets.set_caps, f"tenant/{tenant}", Budget(usd="5"), by="ada")

    handle = await begin(client, tmp_path, tenant=tenant)
    await reaches(handle, BatchState.FINISHED)
    record = await client.ledger.call(client.ledger.budgets.get, f"tenant/{tenant}")
    (row,) = await client.ledger.call(client.ledger.spending.totals, "tenant")

    assert record.spent["calls"] == server.counts.calls == row.calls == COUNT
    assert (row.group, row.usd_nanos) == (tenant, record.spent["usd_nanos"])

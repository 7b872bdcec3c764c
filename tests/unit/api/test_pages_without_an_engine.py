"""Where no engine is, the pages show what the ledger knows, and say since when."""

from pathlib import Path

import pytest

from outlive import App
from outlive.api.batch_pages import read_batch
from outlive.api.fleet_page import read_fleet
from outlive.api.home import read_home
from outlive.client import Client
from outlive.settings import Settings
from unit.ledger.conftest import done, sealed


@pytest.fixture
async def client(tmp_path: Path):
    async with Client(Settings(home=tmp_path / ".outlive"), app=App("test")) as opened:
        yield opened


async def test_home_and_fleet_say_that_the_engine_is_away_and_since_when(client):
    sealed(client.ledger, 3)
    await (await client.ledger.window("b")).record(done(0))

    first, second, fleet = await read_home(client), await read_home(client), await read_fleet(client)

    assert (first.engine.state, first.running.agents, first.workers.running) == ("away", None, None)
    assert (first.running.batches, [card.done for card in first.batches]) == (1, [1])
    assert first.engine.away_since == second.engine.away_since == fleet.engine.away_since
    assert first.engine.away_since is not None
    assert (first.stuck, first.recent, fleet.workers, fleet.queues) == ([], [], [], [])


async def test_a_batch_is_shown_without_an_engine(client):
    sealed(client.ledger, 3)
    await (await client.ledger.window("b")).record(done(0, usd_nanos=5))

    batch = await read_batch(client, "b")

    assert (batch.done, batch.missing, batch.problem) == (1, 2, None)
    assert batch.documents_per_minute
    assert batch.forecast
    assert batch.forecast.usd_nanos == 15
    assert batch.forecast.seconds_left == batch.seconds_left

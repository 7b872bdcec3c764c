from pathlib import Path

import pytest
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

from outlive import App, Durable
from outlive.activities.telling import Teller
from outlive.agents.services import services
from outlive.engine.home import Home
from outlive.ledger.ledger import Ledger
from outlive.models.pacing import Pacer
from outlive.models.prices import Prices
from outlive.money.purse import Purse
from outlive.settings import Settings
from outlive.worker.agents import serve_agents
from outlive.worker.holdings import Holdings


async def test_the_models_of_agents_are_built_before_the_first_run_asks_for_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    models = {"named": "openai:small", "keyless": "openai-unheard-of:x", "own": TestModel(), "none": None}
    agents = [Agent(model, name=name, capabilities=[Durable()]) for name, model in models.items()]
    app = App("shop", agents=agents)
    settings = Settings(home=tmp_path / ".outlive", model="offline:extractive")

    async with (
        Ledger(tmp_path / ".outlive" / "ledger.db") as ledger,
        serve_agents(
            app.registry,
            ledger=ledger,
            settings=settings,
            holdings=Holdings(Home(settings.home)),
            purse=Purse(ledger, app="shop", longest_call=600.0),
            prices=Prices(),
            pacer=Pacer(),
            teller=Teller(app.registry, ledger, lasts=1.0),
        ),
    ):
        offered = services()

        assert offered is not None
        assert set(offered._models) == {"openai:small", "offline:extractive"}

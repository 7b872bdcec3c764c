from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crash.agents.projects import AgentProject, world
from crash.money.projects import money_project
from crash.money.storm import storm
from outlive.settings import Settings


@pytest.fixture
async def project(
    engine, task_queue: str, tmp_path: Path, where: Path | str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[AgentProject]:
    monkeypatch.setenv("TEMPORAL_ADDRESS", engine.state.address)
    ledger = where if isinstance(where, str) else ""
    settings = Settings(home=tmp_path / "one" / ".outlive", task_queue=task_queue, drain_timeout=5.0, ledger=ledger)
    async with world(monkeypatch.setenv) as outside, money_project(settings, outside) as opened:
        yield opened


@pytest.mark.timeout(300)
async def test_no_number_of_workers_and_no_death_makes_them_spend_more_than_the_budget(project: AgentProject):
    seen = await storm(project, runs=12, workers=3, cap=2_000_000)

    seen.check()
    assert seen.repeated > 0

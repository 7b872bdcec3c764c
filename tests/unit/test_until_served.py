"""Waiting for a worker outlasts an engine that dies meanwhile."""

from pathlib import Path

from outlive.engine import run_health
from outlive.engine.run_health import until_served
from outlive.errors import EngineUnavailable
from outlive.settings import Settings


async def test_an_engine_that_is_away_is_waited_for(tmp_path: Path, monkeypatch):
    answers = iter([EngineUnavailable("away"), "No worker polls.", None, "asked once too often"])

    async def problem(*_: object) -> str | None:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def connection() -> None:
        return None

    monkeypatch.setattr(run_health, "worker_problem", problem)
    await until_served(connection, Settings(home=tmp_path))

    assert next(answers) == "asked once too often"

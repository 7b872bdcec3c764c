"""A worker is killed with -9 in effects, between waves and in undoing; what was done is counted in the database."""

import asyncio
from collections import Counter
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from crash.agents.projects import AgentProject, agent_project, world
from crash.plans.apps import app
from engines import fresh
from outlive.errors import RunFailed
from outlive.settings import Settings
from outlive.testing.faults import Moment

ROWS = [*range(40), 1000]


class Database:
    """The user's own database, which counts."""

    def __init__(self, path: Path) -> None:
        self.url = f"sqlite:///{path}"
        self._engine = create_engine(self.url)
        with self._engine.begin() as connection:
            connection.execute(text("CREATE TABLE copies (run VARCHAR(200), number INTEGER)"))
            connection.execute(text("CREATE TABLE removals (run VARCHAR(200), number INTEGER)"))

    def counted(self, table: str, run: str) -> Counter[int]:
        """How often each row is there."""
        with self._engine.connect() as connection:
            rows = connection.execute(text(f"SELECT number FROM {table} WHERE run = :run"), {"run": run})
            return Counter(number for (number,) in rows)


@pytest.fixture
async def project(engine, tmp_path: Path, task_queue: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TEMPORAL_ADDRESS", engine.state.address)
    database = Database(tmp_path / "users.db")
    settings = Settings(home=tmp_path / ".outlive", task_queue=task_queue, drain_timeout=5.0)
    async with world(monkeypatch.setenv) as outside, agent_project(settings, outside, app=app) as found:
        found.app = "crash.plans.apps:app"
        found.added["USER_DATABASE"] = database.url
        yield found, database


async def after_a_death(project: AgentProject, run: str, *, moment: Moment | None = None, times: int = 1, struck=""):
    """Run the plan, let its worker die at one moment, and another one go on; return its handle when it has ended."""
    if struck:
        project.obstacle.write_text(struck)
    handle = await project.client.start_plan("migrate", run, run_id=run)
    fault = None if moment is None else project.fault(moment, times)
    status = await project.start_worker(fault).death()
    assert status == -9
    project.start_worker()
    return handle


async def output_of(project: AgentProject, handle) -> int:
    """Wait for the end."""
    try:
        async with asyncio.timeout(90):
            return await handle.result()
    except TimeoutError:
        words = "\n".join([await worker.last_words() for worker in project.workers])
        raise AssertionError(f"{await handle.status()}\n{words}") from None


@pytest.mark.parametrize(
    ("moment", "times"),
    [
        (Moment.CALL_BEGUN, 1),
        (Moment.CALL_BEGUN, 5),
        (Moment.CALL_CLAIMED, 4),
        (Moment.CALL_MADE, 4),
        (Moment.CALL_RECORDED, 4),
        (Moment.RUN_ENDING, 1),  # between the waves: the first has its result, and nobody has heard of it
    ],
)
async def test_a_worker_killed_at_any_moment_of_a_plan_copies_each_row_once(project, moment: Moment, times: int):
    found, database = project
    run = fresh("killed")
    handle = await after_a_death(found, run, moment=moment, times=times)

    assert await output_of(found, handle) == 40
    assert database.counted("copies", run) == Counter(ROWS)


async def test_a_worker_killed_within_a_transaction_copies_each_row_once(project):
    found, database = project
    run = fresh("within")
    handle = await after_a_death(found, run, struck="copy 12")

    assert await output_of(found, handle) == 40
    assert database.counted("copies", run) == Counter(ROWS)


@pytest.mark.parametrize(
    ("moment", "times", "struck"),
    [(Moment.CALL_RECORDED, 14, ""), (Moment.CALL_MADE, 14, ""), (None, 1, "undo 12")],
)
async def test_a_worker_killed_while_a_plan_is_undone_takes_each_row_back_once(
    project, moment: Moment | None, times: int, struck: str
):
    found, database = project
    run = fresh("undone")
    handle = await after_a_death(found, run, moment=moment, times=times, struck=struck)
    with pytest.raises(RunFailed, match="as it was told"):
        await output_of(found, handle)

    assert database.counted("copies", run) == Counter()
    assert database.counted("removals", run) == Counter(ROWS)

"""A ledger on PostgreSQL: workers of batches and agents die, the server goes away, and nothing is paid for twice."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import select

from crash.agents.projects import AgentProject, agent_project, world
from crash.batch.projects import Books, Project, project_in, texts
from engines import fresh, until
from outlive.ledger.ledger import Ledger
from outlive.ledger.schema import batches, begun, outcomes
from outlive.settings import Settings
from outside import Outside
from postgres import PostgresServer

DOCUMENTS = 40
LONG = 11.0  # seconds: more than a heartbeat timeout (5), and than what waits for a ledger without heartbeats (8)


@pytest.fixture
def settings(engine, own_postgres, task_queue: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("TEMPORAL_ADDRESS", engine.state.address)
    return Settings(
        home=tmp_path / ".outlive",
        task_queue=task_queue,
        model_attempts=2,
        drain_timeout=2.0,
        ledger=own_postgres.new_database(),
    )


@pytest.fixture
async def batch_project(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Project]:
    async with project_in(settings, monkeypatch.setenv, latency=0.02) as project:
        yield project


@pytest.fixture
async def outside(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outside]:
    async with world(monkeypatch.setenv) as outside:
        yield outside


@pytest.fixture
async def agents(settings: Settings, outside: Outside) -> AsyncIterator[AgentProject]:
    async with agent_project(settings, outside) as project:
        yield project


def books(ledger: Ledger, batch_id: str) -> Books:
    """What the ledger says of one batch at one moment."""
    with ledger.engine.begin() as connection:
        number = connection.execute(select(batches.c.number).where(batches.c.batch_id == batch_id)).scalar_one()
        times = connection.execute(select(begun.c.position, begun.c.times).where(begun.c.batch == number)).all()
        recorded = connection.execute(select(outcomes.c.position).where(outcomes.c.batch == number)).scalars()
        return Books(begun=dict(map(tuple, times)), recorded=frozenset(recorded), kept_calls=0)


async def test_a_killed_worker_of_a_batch_repeats_what_was_in_flight_and_nothing_else(batch_project: Project):
    project, batch_id = batch_project, fresh("batch")
    handle = await project.begin(texts(DOCUMENTS), batch_id)
    worker = project.start_worker()
    await until(lambda: project.model.counts.completed >= 10, "ten answers")
    project.model.hold()
    await until(lambda: project.model.waiting == 8, "eight calls in flight")
    await worker.kill()
    at_death = books(project.client.ledger, batch_id)
    project.model.release()
    project.start_worker()
    ended = await project.ended(handle)

    assert ended.progress.done == DOCUMENTS
    assert project.model.counts.calls == DOCUMENTS + len(at_death.in_flight)
    assert ended.progress.begun_again == len(at_death.in_flight)
    assert not (project.settings.home / "ledger.db").exists()


async def test_a_killed_worker_of_an_agent_repeats_the_call_in_flight_and_nothing_else(
    agents: AgentProject, outside: Outside
):
    run = fresh("run")
    outside.hold("tool")
    handle = await agents.begin("actor", "Act 2 times.", run)
    worker = agents.start_worker()
    await until(lambda: outside.in_flight("tool") == 1, "a tool is at work")
    await worker.kill()
    outside.release()
    agents.start_worker()
    result = await agents.ended(handle)

    assert result.output == "acted 2 times; heard 1"
    assert outside.repeated(run) == {("tool", 0): 2}


async def test_a_server_that_stops_in_mid_batch_is_waited_out_and_no_call_is_repeated(
    batch_project: Project, own_postgres: PostgresServer
):
    project, batch_id = batch_project, fresh("batch")
    handle = await project.begin(texts(DOCUMENTS), batch_id)
    project.start_worker()
    await until(lambda: project.model.counts.completed >= 10, "ten answers")
    own_postgres.stop()
    calls_without_ledger = await settled(project)
    own_postgres.start()
    ended = await project.ended(handle)

    assert calls_without_ledger < DOCUMENTS
    assert ended.progress.done == DOCUMENTS
    assert project.model.counts.calls == DOCUMENTS


async def test_a_server_that_stops_while_a_tool_works_is_waited_out_and_no_call_is_repeated(
    agents: AgentProject, outside: Outside, own_postgres: PostgresServer
):
    run = fresh("run")
    outside.hold("tool")
    handle = await agents.begin("actor", "Act 2 times.", run)
    agents.start_worker()
    await until(lambda: outside.in_flight("tool") == 1, "a tool is at work")
    own_postgres.stop()
    outside.release()
    await has_waited(agents, handle.workflow_id)
    own_postgres.start()
    result = await agents.ended(handle)

    assert result.output == "acted 2 times; heard 1"
    assert outside.repeated(run) == {}


async def has_waited(agents: AgentProject, workflow_id: str) -> None:
    """Wait until an attempt has lived for longer than its heartbeat timeout, without an answer of the ledger."""
    workflow = (await agents.client.temporal()).get_workflow_handle(workflow_id)
    beats: list[float] = []

    async def is_alive_for_long() -> bool:
        for pending in (await workflow.describe()).raw_description.pending_activities:
            assert pending.attempt == 1
            beats.append(pending.last_heartbeat_time.ToNanoseconds() / 1e9)
        return bool(beats) and beats[-1] - beats[0] > LONG

    await until(is_alive_for_long, "a call that waits for the ledger, beating")


async def settled(project: Project) -> int:
    """Wait until no further call has arrived for a while; how many there are."""
    seen: list[int] = []

    def is_quiet() -> bool:
        seen.append(project.model.counts.calls)
        return len(seen) > 20 and len(set(seen[-20:])) == 1

    await until(is_quiet, "no further calls")
    return seen[-1]

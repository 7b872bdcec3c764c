"""Workers that share nothing but a cluster, PostgreSQL and S3: one dies, the object store goes away and comes back."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import obstore
import pytest

from conftest import objects_or_skip
from crash.agents.projects import AgentProject, agent_project, world
from crash.batch.projects import MODEL, Project, project_in, texts
from crash.test_ledger_on_postgres import books, settled
from engines import fresh, until
from object_store import ObjectServer
from outlive.batch_requests import BatchRequest
from outlive.contracts.batches import BatchSpec
from outlive.documents.sinks import open_sink
from outlive.documents.sources import open_source
from outlive.settings import Settings
from outside import Outside

DOCUMENTS = 60
CONCURRENCY = 8


@pytest.fixture
def objects(monkeypatch: pytest.MonkeyPatch) -> Iterator[ObjectServer]:
    """An S3 server of this test alone, to be stopped."""
    server = objects_or_skip()
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    for bucket in ("documents", "payloads"):
        server.make_bucket(bucket)
    yield server
    server.remove()


@pytest.fixture
def cluster(engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The session's engine, as a cluster that somebody else runs."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", engine.state.address)


@pytest.fixture
def settings(cluster, objects, postgres_url: str, task_queue: str, tmp_path: Path) -> Settings:
    return Settings(
        home=tmp_path / "client" / ".outlive",
        task_queue=task_queue,
        model_attempts=2,
        drain_timeout=2.0,
        ledger=postgres_url,
        payloads=f"s3://payloads/{fresh('prefix')}",
    )


def elsewhere(settings: Settings, place: int) -> Settings:
    """The settings of a worker with a folder of its own."""
    home = settings.home.parent.parent / f"machine-{place}" / ".outlive"
    home.parent.mkdir(exist_ok=True)
    return replace(settings, home=home)


@pytest.fixture
async def project(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Project]:
    settings.home.parent.mkdir()
    async with project_in(settings, monkeypatch.setenv, latency=0.02) as project:
        yield project


@pytest.fixture
async def outside(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outside]:
    async with world(monkeypatch.setenv) as outside:
        yield outside


@pytest.fixture
async def agents(settings: Settings, outside: Outside) -> AsyncIterator[AgentProject]:
    settings.home.parent.mkdir()
    async with agent_project(settings, outside) as project:
        yield project


async def test_a_batch_outlives_a_worker_and_an_outage_of_the_store_and_no_completed_call_is_repeated(
    project: Project, objects: ObjectServer
):
    for number, text in enumerate(texts(DOCUMENTS)):
        obstore.put(objects.bucket("documents"), f"in/{number:03}.txt", text.encode())
    spec = BatchSpec(batch_id="", function="ask", model=MODEL, concurrency=CONCURRENCY)
    request = BatchRequest(source=open_source("s3://documents/in"), batch_id=fresh("batch"), spec=spec)
    handle = await project.begin_request(request, {"windows_in_flight": 4})
    workers = [project.start_worker(settings=elsewhere(project.settings, place)) for place in range(3)]
    await until(lambda: project.model.counts.completed >= 10, "ten answers")
    project.model.hold()
    await until(lambda: project.model.waiting >= CONCURRENCY // 2, "calls in flight")
    await workers[0].kill()
    at_death = books(project.client.ledger, handle.batch_id)
    objects.stop()
    project.model.release()
    called_without_store = await settled(project)
    objects.start()
    ended = await project.ended(handle)

    assert called_without_store < DOCUMENTS
    assert ended.progress.done == DOCUMENTS
    assert ended.progress.begun_again <= len(at_death.in_flight)
    assert project.model.counts.totals()["repeated_after_completion"] == 0
    assert project.model.counts.calls <= DOCUMENTS + ended.progress.begun_again
    assert not list(project.settings.home.parent.parent.glob("*/.outlive/*.db"))
    await results_are_whole(project, handle, objects)


async def results_are_whole(project: Project, handle, objects: ObjectServer) -> None:
    """The results, written into the bucket, have each document once."""
    from outlive.batch_results import result_row

    with open_sink("s3://documents/out.jsonl") as sink:
        async for rows in handle.results_in_chunks():
            sink.write([result_row(row) for row in rows])
    lines = bytes(obstore.get(objects.bucket("documents"), "out.jsonl").bytes()).splitlines()
    assert len(lines) == DOCUMENTS


async def test_an_agent_goes_on_in_another_folder_and_its_events_and_payloads_are_there(
    agents: AgentProject, outside: Outside, objects: ObjectServer
):
    run = fresh("run")
    outside.hold("tool")
    handle = await agents.begin("actor", "Act 2 times.", run)
    first = agents.start_worker(settings=elsewhere(agents.settings, 0))
    await until(lambda: outside.in_flight("tool") == 1, "a tool is at work")
    await first.kill()
    objects.stop()
    outside.release()
    agents.start_worker(settings=elsewhere(agents.settings, 1))
    objects.start()
    result = await agents.ended(handle)
    kinds = [event.kind async for event in handle.events()]

    assert result.output == "acted 2 times; heard 1"
    assert outside.repeated(run) == {("tool", 0): 2}
    assert "turn_started" in kinds
    assert kinds[-1] == "run_ended"
    assert not list(agents.settings.home.parent.parent.glob("*/.outlive/*.db"))

"""Runs of every kind meet a round for which everything is old, and go on in workers that remember nothing."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest

from crash.housekeeping.apps import app
from crash.workers import WorkerProcess, fork_worker
from engines import settings_for, until
from outlive.client import Client
from outlive.contracts.agents import AgentInput, AgentMessage
from outlive.engine.home import Home
from outlive.engine.server import EngineServer
from outlive.housekeeping.rounds import RoundReport, keep_house
from outlive.ledger.effects import EffectState
from outlive.payloads.cache import BoundedCache, KnownDigests
from outlive.payloads.vault import CACHE_BYTES, vault_of
from outlive.settings import Settings
from outlive.testing.faults import Fault, Moment
from outlive.worker.children import worker_environment

pytestmark = pytest.mark.embedded

APP = "crash.housekeeping.apps:app"


class Project:
    """A project with an engine of its own, and workers to kill."""

    def __init__(self, settings: Settings, client: Client) -> None:
        self.settings = settings
        self.client = client
        self.world = settings.home.parent
        self.workers: list[WorkerProcess] = []

    def start_worker(self, fault: Fault | None = None) -> WorkerProcess:
        environment = worker_environment(self.settings) | {"WORLD": str(self.world)}
        log = self.world / f"worker-{len(self.workers)}.log"
        self.workers.append(fork_worker(APP, self.settings, environment, log=log, fault=fault))
        return self.workers[-1]

    async def begin(self, run: str, count: int, **values: object):
        said = AgentMessage(message_id="start", content=f"{run} {count}")
        await self.client._start(f"agent/bulky/{run}", AgentInput(agent="bulky", inbox=[said], **values), summary=run)
        return await self.client.run(run, agent="bulky")

    async def is_held(self, run: str) -> bool:
        """Whether it has begun its third call of the tool, after three of the model."""
        states = await self.states(run)
        return states == [*[EffectState.DONE] * 5, EffectState.BEGUN]

    def fetched(self) -> Counter[str]:
        path = self.world / "fetched"
        return Counter(path.read_text().splitlines() if path.exists() else [])

    async def states(self, run: str) -> list[EffectState]:
        ledger = self.client.ledger
        return [call.state for call in await ledger.call(ledger.effects.of_workflow, f"agent/bulky/{run}")]

    async def heard(self, run: str) -> int:
        """Return how many calls the engine knows to be completed."""
        handle = (await self.client.temporal()).get_workflow_handle(f"agent/bulky/{run}")
        events = [event.event_type async for event in handle.fetch_history_events()]
        return events.count(EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED)

    async def forget(self, run: str) -> None:
        temporal = await self.client.temporal()
        handle = temporal.get_workflow_handle(f"agent/bulky/{run}")
        execution = (await handle.describe()).raw_description.workflow_execution_info.execution
        request = DeleteWorkflowExecutionRequest(namespace=temporal.namespace, workflow_execution=execution)
        await temporal.workflow_service.delete_workflow_execution(request)

        async def is_gone() -> bool:
            return handle.id not in [found.id async for found in temporal.list_workflows()]

        await until(is_gone, f"{run} is gone")

    async def round(self) -> RoundReport:
        """A round for which all rows are older than the retention, and no payload was used within the grace."""
        now = datetime.now(UTC) + timedelta(days=100)
        return await keep_house(await self.client.temporal(), self.settings, now=now)

    def forget_contents(self) -> None:
        """Let this process remember no payload either."""
        vault = vault_of(self.settings)
        vault._contents = BoundedCache(CACHE_BYTES)
        vault._known = KnownDigests()


@pytest.fixture
async def project(tmp_path: Path) -> AsyncIterator[Project]:
    settings = settings_for(tmp_path / ".outlive", drain_timeout=2.0)
    home = Home(settings.home)
    async with home.own(), EngineServer(home, settings), Client(settings, app=app) as client:
        made = Project(settings, client)
        try:
            yield made
        finally:
            for worker in made.workers:
                worker.end()


async def test_runs_of_every_kind_go_on_to_the_right_end_after_a_round(project):
    for run, obstacle in (("running", "hold"), ("long", "hold"), ("parked", "locked")):
        (project.world / f"{run}.{obstacle}").touch()
    first = project.start_worker()
    await (await project.begin("old", 3)).result()
    finished = await project.begin("finished", 3)
    await finished.result()
    running, parked = await project.begin("running", 4), await project.begin("parked", 3)
    long = await project.begin("long", 4, events_per_run=12)
    talk = await project.client.conversation("bulky", conversation_id="talk")
    said = await talk.ask("talk 1")
    await until(lambda: project.is_held("running"), "a run waits in a tool")
    await until(lambda: project.is_held("long"), "another one that continued waits")
    await until(lambda: is_parked(parked), "a run is parked")
    await first.kill()
    dying = project.start_worker(Fault(Moment.CALL_RECORDED, occurrence=4))
    unheard = await project.begin("unheard", 3)
    status = await dying.death()
    recorded, heard = await project.states("unheard"), await project.heard("unheard")
    await project.forget("old")

    report = await project.round()

    temporal = await project.client.temporal()
    parts = [found async for found in temporal.list_workflows('WorkflowId = "agent/bulky/long"')]
    assert status == -9
    assert (recorded, heard) == ([EffectState.DONE] * 4, 3)
    assert len(parts) > 1
    assert report.forgotten == ("agent/bulky/old",)
    assert report.rows.calls == 7
    assert report.payloads.removed >= 3  # what `old` fetched, once each, and what it said
    assert await project.states("old") == []
    project.forget_contents()
    for obstacle in (*project.world.glob("*.hold"), *project.world.glob("*.locked")):
        obstacle.unlink()
    project.start_worker()
    await parked.decide("retry")
    outputs = {
        handle.run_id: (await handle.result()).output.rstrip("y")
        for handle in (finished, running, parked, long, unheard)
    }
    again = await talk.ask("talk 2")
    first_answer = await talk.reply(1)
    await talk.close()

    assert {run: output.partition(";")[0] for run, output in outputs.items()} == {
        "finished": "finished fetched 3",
        "running": "running fetched 4",
        "parked": "parked fetched 3",
        "long": "long fetched 4",
        "unheard": "unheard fetched 3",
    }
    assert first_answer == said
    assert again.startswith("talk fetched 2")
    repeated = {what for what, count in project.fetched().items() if count > 1}
    assert repeated <= {"talk 0"}  # said twice, in two turns


async def is_parked(handle) -> bool:
    return (await handle.status()).state == "parked"

"""What a collection keeps and what it removes. Each test has an engine of its own: a collection reads all its runs."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import (
    Client,
    Interceptor,
    OutboundInterceptor,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
)
from temporalio.service import RPCError, RPCStatusCode

from engines import settings_for, until
from outlive.engine.collecting import collect, store_facts
from outlive.engine.connection import connect
from outlive.engine.home import Home
from outlive.engine.server import EngineServer
from outlive.errors import CollectionAborted
from outlive.payloads.vault import Vault
from outlive.settings import Settings
from temporal.payloads.conftest import working
from temporal.payloads.workflows import Heavy, Talk, Talking
from unit.payloads.ages import age

pytestmark = pytest.mark.embedded

OLD = datetime.now(UTC) - timedelta(days=8)


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project with an engine that has seen nothing yet."""

    settings: Settings
    client: Client
    task_queue: str = "payloads"

    @property
    def store(self) -> Path:
        return self.settings.home / "payloads.db"

    async def start(self, workflow, argument):
        return await self.client.start_workflow(
            workflow, argument, id=f"run-{uuid.uuid4().hex}", task_queue=self.task_queue
        )

    async def collect(self, **options):
        """Collect as if everything had been stored long ago, and nothing was used since."""
        age(self.store, OLD)
        return await collect(self.client, self.settings, **options)

    async def forget(self, handle) -> None:
        """Let a run's retention end."""
        execution = (await handle.describe()).raw_description.workflow_execution_info.execution
        request = DeleteWorkflowExecutionRequest(namespace=self.client.namespace, workflow_execution=execution)
        await self.client.workflow_service.delete_workflow_execution(request)
        await until(lambda: self._is_gone(handle), "the run is gone")

    async def _is_gone(self, handle) -> bool:
        listed = [run.id async for run in self.client.list_workflows()]
        return handle.id not in listed


@pytest.fixture
async def project(tmp_path: Path) -> AsyncIterator[Project]:
    settings = settings_for(tmp_path / ".outlive")
    home = Home(settings.home)
    async with home.own(), EngineServer(home, settings):
        yield Project(settings=settings, client=await connect(settings))


async def listed(project: Project, count: int) -> None:
    """Wait until the engine lists so many runs: it does so some moments after they began."""

    async def all_listed() -> bool:
        return len([run async for run in project.client.list_workflows()]) >= count

    await until(all_listed, f"{count} runs are listed")


async def test_what_no_run_needs_any_more_is_removed_and_the_rest_stays(project):
    async with working(project.client, project.task_queue):
        finished = await project.start(Talking.run, Talk(turns=40))
        await finished.result()
        forgotten = await project.start(Talking.run, Talk(turns=40))
        await forgotten.result()
        running = await project.start(Talking.run, Talk(turns=60, waits_after=35))
        heavy = await project.start(Heavy.run, "a" * 3_000_000)
        await heavy.signal(Heavy.tell, "b" * 3_000_000)
        await heavy.result()
        continued = await project.start(Talking.run, Talk(turns=50, continues_after=35))
        await until(lambda: calls_of(running, 35), "a run that waits")
        await until(lambda: has_continued(project, continued), "a run that continued")
        await listed(project, 6)
        before = (await store_facts(project.settings)).chunks
        await project.forget(forgotten)

        collected = await project.collect()
        again = await project.collect()

        assert collected.removed == 79 + 2  # the messages that one run has sent, and their groups
        assert collected.removed_bytes > 0
        assert collected.kept == before - 81 == collected.referred
        assert again.removed == 0
        fresh = await another_client(project)
        assert await fresh.get_workflow_handle(heavy.id).result() == "a" * 6_000_000 + "b" * 3_000_000

    async with working(await another_client(project), project.task_queue):
        for handle in (running, continued):
            await project.client.get_workflow_handle(handle.id).signal(Talking.go_on)
        assert await running.result() == 120
        assert await continued.result() == 100


async def test_what_was_used_within_the_grace_stays_although_nothing_refers_to_it(project):
    vault = project.client.data_converter.payload_converter_class.vault
    await vault.put_content(b"not sent yet")

    young = await collect(project.client, project.settings)
    old = await project.collect()

    assert (young.kept, young.removed) == (1, 0)
    assert (old.kept, old.removed) == (0, 1)


async def test_what_others_keep_stays(project):
    (kept, _gone) = await project.client.data_converter.encode(["a" * 50_000, "b" * 50_000])

    async def roots():
        yield kept.SerializeToString()

    collected = await project.collect(roots=roots())

    assert (collected.kept, collected.removed) == (1, 1)
    fresh = await another_client(project)
    assert await fresh.data_converter.decode([kept]) == ["a" * 50_000]


async def test_what_a_schedule_starts_with_stays(project):
    action = ScheduleActionStartWorkflow(Heavy.run, "a" * 50_000, id="scheduled", task_queue=project.task_queue)
    await project.client.create_schedule("nightly", Schedule(action=action, spec=ScheduleSpec()))

    async def is_listed() -> bool:
        return [schedule.id async for schedule in await project.client.list_schedules()] == ["nightly"]

    await until(is_listed, "the schedule is listed")
    collected = await project.collect()

    assert (collected.kept, collected.removed) == (1, 0)


class Unreadable(Interceptor):
    """A cluster that lists a run and cannot read its history."""

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - as the SDK names it
        return _Unreadable(next)


class _Unreadable(OutboundInterceptor):
    def fetch_workflow_history_events(self, input):  # noqa: A002 - as the SDK names it
        raise RPCError("the shard is lost", RPCStatusCode.INTERNAL, b"")


async def test_a_run_that_cannot_be_read_stops_the_collection_before_anything_is_removed(project):
    handle = await project.start(Heavy.run, "a" * 50_000)
    await project.client.data_converter.encode(["b" * 50_000])
    await listed(project, 1)
    config = project.client.config()
    config["interceptors"] = [Unreadable()]
    age(project.store, OLD)

    with pytest.raises(CollectionAborted, match=r"the shard is lost.*Nothing was removed"):
        await collect(Client(**config), project.settings)

    assert (await store_facts(project.settings)).chunks == 2
    await handle.terminate()


async def test_a_store_that_belongs_to_other_runs_is_left_alone(project, tmp_path):
    await project.start(Heavy.run, "a" * 5_000_000)
    await listed(project, 1)
    elsewhere = Settings(home=tmp_path / "elsewhere")
    await Vault(str(tmp_path / "elsewhere" / "payloads.db")).put_content(b"of another namespace")
    age(tmp_path / "elsewhere" / "payloads.db", OLD)

    with pytest.raises(CollectionAborted, match="does not have"):
        await collect(project.client, elsewhere)

    assert (await store_facts(elsewhere)).chunks == 1


async def test_runs_go_on_while_a_collection_removes_what_is_old(project):
    async with working(project.client, project.task_queue):
        handle = await project.start(Talking.run, Talk(turns=60, answer_size=100))
        removed = 0
        while (await handle.describe()).close_time is None:
            vault = project.client.data_converter.payload_converter_class.vault
            await vault.put_content(uuid.uuid4().bytes)
            removed += (await collect(project.client, project.settings)).removed
            await asyncio.sleep(0)

        assert await handle.result() == 120
        assert removed == 0


async def calls_of(handle, count: int) -> bool:
    events = [event async for event in handle.fetch_history_events()]
    return sum(event.HasField("activity_task_completed_event_attributes") for event in events) >= count


async def has_continued(project: Project, handle) -> bool:
    return (await project.client.get_workflow_handle(handle.id).describe()).run_id != handle.first_execution_run_id


async def another_client(project: Project) -> Client:
    """A client that has nothing in memory."""
    from temporalio.converter import DataConverter

    from outlive.engine.codec import OutliveCodec
    from outlive.engine.converter import converter_for

    made = converter_for(Vault(str(project.store.resolve())))
    config = project.client.config()
    config["data_converter"] = DataConverter(payload_converter_class=made, payload_codec=OutliveCodec(made))
    return Client(**config)

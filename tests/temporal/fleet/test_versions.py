"""Runs stay on the version that they began with; the first becomes current by itself; back is one command."""

import json
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from temporalio.client import Client

from engines import fresh, until
from fleets import StandaloneWorker, run_outlive, standalone_worker
from outlive.engine.fleet import list_workers, read_deployment

APP = """
import os
from datetime import timedelta
from temporalio import activity, workflow
from outlive import App

@activity.defn(name="build_of_worker")
async def build_of_worker() -> str:
    return os.environ["OUTLIVE_BUILD"]

@workflow.defn(name="Waiting")
class Waiting:
    def __init__(self) -> None:
        self.may_end = False

    @workflow.signal
    def end(self) -> None:
        self.may_end = True

    @workflow.run
    async def run(self) -> str:
        first = await self.build()
        await workflow.wait_condition(lambda: self.may_end)
        return f"{first} {await self.build()}"

    async def build(self) -> str:
        return await workflow.execute_activity(
            "build_of_worker", result_type=str, start_to_close_timeout=timedelta(seconds=10)
        )

app = App("NAME", workflows=[Waiting], activities=[build_of_worker])
"""


@pytest.fixture
def app_name() -> str:
    return fresh("versioned")


@pytest.fixture
def folder(tmp_path: Path, app_name: str) -> Path:
    (tmp_path / "waiting.py").write_text(APP.replace("NAME", app_name))
    return tmp_path


@pytest.fixture
def environment(engine, task_queue: str, folder: Path) -> dict[str, str]:
    return {
        "TEMPORAL_ADDRESS": engine.state.address,
        "OUTLIVE_HOME": str(folder / ".outlive"),
        "OUTLIVE_TASK_QUEUE": task_queue,
        "OUTLIVE_VERSIONING": "true",
    }


@pytest.mark.embedded
async def test_runs_stay_on_their_version_and_new_ones_follow_the_current(
    client: Client, task_queue: str, app_name: str, folder: Path, environment: dict[str, str]
):
    async def outlive(*arguments: str) -> str:
        status, said, complaint = await run_outlive(*arguments, cwd=folder, environment=environment)
        assert status == 0, complaint
        return said

    async def begun(name: str):
        return await client.start_workflow("Waiting", id=fresh(name), task_queue=task_queue, result_type=str)

    async def ended(handle) -> str:
        await handle.signal("end")
        return await handle.result()

    async def worker(stack: AsyncExitStack, build: str, *arguments: str) -> StandaloneWorker:
        named = environment | {"OUTLIVE_BUILD": build}
        return await stack.enter_async_context(standalone_worker("waiting:app", named, folder, *arguments, cwd=folder))

    async def is_current(build: str) -> bool:
        found = await read_deployment(client, app_name)
        return found is not None and found.current == build

    async def knows(build: str) -> bool:
        found = await read_deployment(client, app_name)
        return found is not None and found.version(build) is not None

    async def are_listed(*builds: str) -> bool:
        seen = [one async for one in list_workers(client) if one.task_queue == task_queue]
        return {one.build for one in seen} == set(builds)

    async with AsyncExitStack() as stack:
        await worker(stack, "one")
        await until(lambda: is_current("one"), "the first version is current by itself")
        early = await begun("early")
        second = await worker(stack, "two", "--exit-when-drained")
        await until(lambda: knows("two"), "the second version is known")
        still = await ended(await begun("still"))
        promoted = await outlive("workers", "promote", "two")
        later = await begun("later")
        moved = await ended(await begun("moved"))
        stayed = await ended(early)
        await until(lambda: are_listed("one", "two"), "both workers have told of themselves")
        listed = json.loads(await outlive("workers", "--json"))
        back = await outlive("workers", "rollback")
        again = await ended(await begun("again"))
        kept = await ended(later)
        status = await second.ended()

    assert (still, moved, stayed) == ("one one", "two two", "one one")
    assert (again, kept) == ("one one", "two two")
    assert "begin on 'two'; until now on 'one'" in promoted
    assert "begin on 'one' again" in back
    assert {one["build"] for one in listed["workers"]} == {"one", "two"}
    assert {one["state"] for one in listed["workers"]} == {"running"}
    assert listed["apps"][0]["current"] == "two"
    assert status == 0  # it went by itself, once drained


async def test_a_version_that_nobody_serves_cannot_become_current(
    client: Client, app_name: str, folder: Path, environment: dict[str, str]
):
    status, _, complaint = await run_outlive(
        "workers", "promote", "none", "--app", app_name, cwd=folder, environment=environment
    )

    assert status == 1
    assert "has no version 'none'" in complaint

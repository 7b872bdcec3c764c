"""The work of a tenant waits under its name, and with its priority, where it is started."""

from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import activity, workflow
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from crash.batch.projects import Project, texts
from engines import settings_for, until
from outlive.app import App
from outlive.batch_requests import BatchRequest
from outlive.client import Client
from outlive.engine.connection import connect
from outlive.engine.home import Home
from outlive.engine.priority import priority_of
from outlive.engine.server import EngineServer
from outlive.names import batch_workflow_id


@workflow.defn(name="OfTenant")
class OfTenant:
    @workflow.run
    async def run(self, tenant: str) -> None:
        await workflow.execute_activity(
            "take_turn", tenant, task_queue="turns", start_to_close_timeout=timedelta(seconds=30)
        )


@pytest.mark.embedded
async def test_on_an_engine_that_is_fair_a_small_tenant_does_not_wait_for_a_large_one(tmp_path: Path):
    order: list[str] = []

    @activity.defn(name="take_turn")
    async def take_turn(tenant: str) -> None:
        order.append(tenant)

    settings, home = settings_for(tmp_path / ".outlive", fairness=True), Home(tmp_path / ".outlive")
    async with home.own(), EngineServer(home, settings):
        client = await connect(settings)
        tenants = ["large"] * 30 + ["small"] * 5
        runs = [
            await client.start_workflow(
                "OfTenant", tenant, id=f"{tenant}-{n}", task_queue="runs", priority=priority_of(tenant, {})
            )
            for n, tenant in enumerate(tenants)
        ]

        async def all_wait() -> bool:
            found = [(await run.describe()).raw_description.pending_activities for run in runs]
            return all(found)

        async with Worker(client, task_queue="runs", workflows=[OfTenant], workflow_runner=UnsandboxedWorkflowRunner()):
            await until(all_wait, "all activities wait")
            async with Worker(client, task_queue="turns", activities=[take_turn], max_concurrent_activities=1):
                for run in runs:
                    await run.result()

    assert order[:20].count("small") == 5


async def test_a_batch_of_a_tenant_is_started_with_the_tenants_name_and_priority(project: Project, batch_id: str):
    app = App("crash", priorities={"gold": 1})
    app.registry.batches.update(project.app.registry.batches)
    request: BatchRequest = project.request(texts(1), batch_id, tenant="gold")
    async with Client(project.settings, app=app) as client:
        await client.start_batch(request)
        temporal = await client.temporal()
        description = await temporal.get_workflow_handle(batch_workflow_id(batch_id)).describe()
    found = description.raw_description.workflow_execution_info.priority

    assert (found.priority_key, found.fairness_key) == (1, "gold")

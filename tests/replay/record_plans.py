"""Record the histories of a plan beside this file: ``python -m replay.record_plans`` in ``tests/``.

``src`` has to be on the path, as for `record`. The plan asks, pauses, works waves of which one fails too often and goes
on as new, and takes everything back.
"""

import asyncio
import tempfile
from pathlib import Path

from engines import settings_for, until
from outlive.client import Client
from outlive.contracts.plans import PlanInput
from outlive.engine.connection import connect
from outlive.engine.home import Home
from outlive.engine.server import EngineServer
from outlive.names import PLAN_WORKFLOW, plan_workflow_id
from outlive.plan_runs import PlanHandle
from outlive.worker.process import serve
from replay.plans import bad, declared
from replay.record import write_history

ROWS = 12


async def record() -> None:
    """Run the plan and write the histories down."""
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_for(Path(folder) / ".outlive")
        home, app, stop = Home(settings.home), declared(), asyncio.Event()
        async with home.own(), EngineServer(home, settings), Client(settings, app=app) as client:
            worker = asyncio.create_task(serve(await connect(settings), app, settings, stop))
            await _moved(client)
            stop.set()
            await worker


async def _moved(client: Client) -> None:
    temporal = await client.temporal()
    workflow_id = plan_workflow_id("mover", "r")
    await temporal.start_workflow(
        PLAN_WORKFLOW,
        PlanInput(plan="mover", argument=ROWS, wave_calls=2),
        id=workflow_id,
        task_queue=client.settings.task_queue,
    )
    handle = PlanHandle(client, workflow_id)
    await _asked(handle)
    await handle.decide("yes", by="ada")
    await _asked(handle)
    bad[0] = set()
    await handle.decide("retry", by="ada")
    await handle.result()
    for name, of in {
        "plan": workflow_id,
        "plan_wave_with_failures": f"{workflow_id}/waves-1",
        "plan_wave_continued_to_its_end": f"{workflow_id}/waves-2",
        "plan_undo": f"undo/{workflow_id}",
    }.items():
        execution = await temporal.get_workflow_handle(of).describe()
        await write_history(temporal, of, execution.run_id, name)


async def _asked(handle: PlanHandle) -> None:
    async def asks() -> bool:
        return bool((await handle.status()).questions)

    await until(asks, "it asks")


if __name__ == "__main__":
    asyncio.run(record())

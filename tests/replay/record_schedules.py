"""Record the history of a scheduled start beside this file: ``python -m replay.record_schedules`` in ``tests/``.

``src`` has to be on the path, as for `record`.
"""

import asyncio
import tempfile
from pathlib import Path

from engines import settings_for
from outlive import App, BatchStart, Timing
from outlive.client import Client
from outlive.engine.connection import connect
from outlive.engine.home import Home
from outlive.engine.server import EngineServer
from outlive.worker.process import serve
from replay.record import write_history


async def record() -> None:
    """Trigger a schedule, and write down the history of the workflow that it starts."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "one.txt").write_text("Lamps are bright.")
        settings = settings_for(Path(folder) / ".outlive")
        home, app, stop = Home(settings.home), App("test"), asyncio.Event()
        async with home.own(), EngineServer(home, settings), Client(settings, app=app) as client:
            worker = asyncio.create_task(serve(await connect(settings), app, settings, stop))
            start = BatchStart(function="outlive.analyze", source=f"{folder}/one.txt", model="offline:extractive")
            await client.schedules.add("nightly", start, Timing(cron=["0 0 1 1 *"]))
            workflow_id = await client.schedules.trigger("nightly")
            temporal = await client.temporal()
            starter = temporal.get_workflow_handle(f"schedule/{str(workflow_id).removeprefix('batch/')}")
            await starter.result()
            execution = await starter.describe()
            await write_history(temporal, starter.id, execution.run_id or "", "scheduled")
            stop.set()
            await worker


if __name__ == "__main__":
    asyncio.run(record())

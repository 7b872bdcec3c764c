"""Record the histories beside this file: ``python -m replay.record`` in ``tests/``, with ``src`` on the path.

One batch that is paused, resumed, made wider and continued as new; one that is cancelled.
"""

import asyncio
import os
import re
import sys
import tempfile
from pathlib import Path

from temporalio.client import Client

from crash.batch.projects import Project, project_in, texts
from engines import settings_for, until
from outlive.engine.home import Home
from outlive.engine.server import EngineServer
from outlive.handles import BatchHandle
from outlive.names import batch_workflow_id

HERE = Path(__file__).parent


async def record() -> None:
    """Run the batches and write their histories down."""
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_for(Path(folder) / ".outlive")
        home = Home(settings.home)
        async with (
            home.own(),
            EngineServer(home, settings),
            project_in(settings, os.environ.__setitem__, latency=0.01) as project,
            project.serving(),
        ):
            await _paused_and_continued(project)
            await _cancelled(project)


async def _paused_and_continued(project: Project) -> None:
    project.model.hold()
    handle = await project.begin(texts(60), "paused-and-continued", windows={"windows_per_run": 4})
    first_run = await _run_id(project, handle)
    await until(lambda: project.model.waiting == 8, "eight calls in flight")
    await handle.pause()
    await project.beats(handle, 2)
    project.model.release()
    await handle.set_concurrency(12)
    await handle.resume()
    await project.ended(handle)
    await _write(project, handle, first_run, "batch_paused_resumed_continued")
    await _write(project, handle, await _run_id(project, handle), "batch_continued_to_its_end")


async def _cancelled(project: Project) -> None:
    project.model.hold()
    handle = await project.begin([f"{text} Again." for text in texts(30)], "cancelled")
    await until(lambda: project.model.waiting == 8, "eight calls in flight")
    await handle.cancel()
    await project.beats(handle, 2)
    project.model.release()
    await project.ended(handle)
    await _write(project, handle, await _run_id(project, handle), "batch_cancelled")


async def _run_id(project: Project, handle: BatchHandle) -> str:
    temporal = await project.client.temporal()
    return (await temporal.get_workflow_handle(batch_workflow_id(handle.batch_id)).describe()).run_id


async def _write(project: Project, handle: BatchHandle, run_id: str, name: str) -> None:
    await write_history(await project.client.temporal(), batch_workflow_id(handle.batch_id), run_id, name)


async def write_history(temporal: Client, workflow_id: str, run_id: str, name: str) -> None:
    """Write one workflow run's history down, without names and paths of the machine."""
    history = await temporal.get_workflow_handle(workflow_id, run_id=run_id).fetch_history()
    text = re.sub(r'"identity": ?"[^"]*"', '"identity": "recorder"', history.to_json())
    (HERE / f"{name}.json").write_text(
        text.replace(str(HERE.parents[1]), "").replace(sys.prefix, "").replace(sys.base_prefix, "")
    )


if __name__ == "__main__":
    asyncio.run(record())

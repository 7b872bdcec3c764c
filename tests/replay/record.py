"""Record the histories that `test_replay.py` replays: a batch that is paused, resumed, and continued as new."""

import asyncio
import re
import tempfile
from pathlib import Path

from temporalio.client import Client as TemporalClient

from outlive import App, Client
from outlive.client import BatchRequest
from outlive.contracts.batches import BatchInput
from outlive.documents.entries import Entry
from outlive.documents.sources import Source
from outlive.engine.connection import connect
from outlive.engine.home import Home
from outlive.engine.server import EngineServer
from outlive.names import ANALYZE_FUNCTION, BATCH_WORKFLOW, OFFLINE_MODEL, batch_workflow_id
from outlive.settings import Settings
from outlive.worker.process import serve

BATCH_ID = "recorded"
FOLDER = Path(__file__).parent


async def record() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder) / ".outlive", offline_latency=0.02)
        home = Home(settings.home)
        async with home.own(), EngineServer(home, settings), Client(settings) as client:
            stop = asyncio.Event()
            worker = asyncio.create_task(serve(await connect(settings), App("recorder"), settings, stop))
            await _run_batch(client)
            await _save(await client.temporal())
            stop.set()
            await worker


async def _run_batch(client: Client) -> None:
    entries = [Entry(uri=f"text#{n}", text=f"This is text number {n}. It says little.") for n in range(60)]
    request = BatchRequest.of(ANALYZE_FUNCTION, Source("texts", lambda: iter(entries)), model=OFFLINE_MODEL)
    handle = await client.load_batch(BatchRequest(source=request.source, spec=request.spec, batch_id=BATCH_ID))
    temporal = await client.temporal()
    plan = BatchInput(batch_id=BATCH_ID, document_count=60, window_size=10, windows_in_flight=2, windows_per_run=4)
    await temporal.start_workflow(
        BATCH_WORKFLOW, plan, id=batch_workflow_id(BATCH_ID), task_queue=client.settings.task_queue
    )
    async for status in handle.watch(interval=0.02):
        if status.progress.done >= 5:
            break
    await handle.pause()
    async for status in handle.watch(interval=0.05):
        if not status.progress.in_flight:
            break
    await handle.resume()
    await handle.result()


async def _save(temporal: TemporalClient) -> None:
    async for execution in temporal.list_workflows(f'WorkflowId = "{batch_workflow_id(BATCH_ID)}"'):
        history = await temporal.get_workflow_handle(execution.id, run_id=execution.run_id).fetch_history()
        assert execution.status is not None
        text = re.sub(r'"identity": ?"[^"]*"', '"identity": "recorder"', history.to_json())  # no names of machines
        (FOLDER / f"batch-{execution.status.name.lower().replace('_', '-')}.json").write_text(text)


if __name__ == "__main__":
    asyncio.run(record())

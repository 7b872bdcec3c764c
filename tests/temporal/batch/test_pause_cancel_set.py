"""What a person does to a running batch, seen at the model server."""

import time

import pytest

from crash.batch.projects import Project, texts
from engines import until
from outlive.errors import BatchError, UsageError
from outlive.handles import BatchHandle
from outlive.ledger.window import WindowLedger

DOCUMENTS = 60


async def has_state(handle: BatchHandle, state: str) -> bool:
    return (await handle.record()).state == state


async def has_open_windows(project: Project, handle: BatchHandle) -> bool:
    temporal = await project.client.temporal()
    described = await temporal.get_workflow_handle(f"batch/{handle.batch_id}").describe()
    return bool(described.raw_description.pending_activities)


async def windows_closed(project: Project, handle: BatchHandle) -> bool:
    return not await has_open_windows(project, handle)


async def test_a_paused_batch_finishes_what_is_in_flight_and_begins_nothing_more(project: Project, batch_id: str):
    handle = await project.begin(texts(DOCUMENTS), batch_id)
    project.model.hold()
    async with project.serving():
        await until(lambda: project.model.waiting == 8, "eight calls in flight")
        await handle.pause()
        await until(lambda: has_state(handle, "paused"), "paused")
        await project.beats(handle, 2)  # with a heartbeat's answer a window hears of it
        project.model.release()
        await until(lambda: windows_closed(project, handle), "all windows have reported")
        paused = await handle.status()
        calls_while_paused = project.model.counts.calls
        await handle.resume()
        ended = await project.ended(handle)

    assert calls_while_paused == 8
    assert paused.progress.done == 8
    assert paused.progress.in_flight == 0
    assert ended.progress.done == DOCUMENTS
    assert ended.progress.begun_again == 0
    assert project.model.counts.calls == DOCUMENTS


async def test_a_cancelled_batch_keeps_what_is_done_and_started_again_goes_on(project: Project, batch_id: str):
    handle = await project.begin(texts(DOCUMENTS), batch_id)
    project.model.hold()
    async with project.serving():
        await until(lambda: project.model.waiting == 8, "eight calls in flight")
        await handle.cancel()
        await project.beats(handle, 3)
        project.model.release()
        await until(lambda: has_state(handle, "cancelled"), "cancelled")
        cancelled = await project.ended(handle)
        calls_when_cancelled = project.model.counts.calls
        await handle.start()
        await until(lambda: has_state(handle, "finished"), "finished")
        ended = await project.ended(handle)

    assert cancelled.progress.done == calls_when_cancelled == 8
    assert ended.progress.done == DOCUMENTS
    assert project.model.counts.calls == DOCUMENTS


async def test_concurrency_goes_up_and_down_while_the_batch_runs(project: Project, batch_id: str):
    handle = await project.begin(
        texts(DOCUMENTS), batch_id, concurrency=4, windows={"window_size": 60, "windows_in_flight": 1}
    )
    project.model.hold()
    async with project.serving():
        await until(lambda: project.model.waiting == 4, "four calls in flight")
        await handle.set_concurrency(12)
        await project.signal_windows(handle, 1)
        await until(lambda: project.model.waiting == 12, "twelve calls in flight")
        await handle.set_concurrency(2)
        await project.signal_windows(handle, 1)
        await project.beats(handle, 3)  # the worker looks at each
        project.model.release()
        await until(lambda: project.model.waiting <= 2, "no more than two calls in flight")
        project.model.counts.most_in_flight = 0
        ended = await project.ended(handle)

    assert 1 <= project.model.counts.most_in_flight <= 2
    assert ended.progress.done == DOCUMENTS
    assert project.model.counts.calls == DOCUMENTS


async def test_a_worker_that_begins_later_takes_the_concurrency_of_now(project: Project, batch_id: str, monkeypatch):
    handle = await project.begin(
        texts(DOCUMENTS), batch_id, concurrency=12, windows={"window_size": 60, "windows_in_flight": 1}
    )
    await handle.set_concurrency(2)
    await project.signal_windows(handle, 1)
    concurrency = WindowLedger.concurrency
    monkeypatch.setattr(WindowLedger, "concurrency", lambda ledger: (time.sleep(0.3), concurrency(ledger))[1])
    async with project.serving():
        ended = await project.ended(handle)

    assert 1 <= project.model.counts.most_in_flight <= 2
    assert ended.progress.done == DOCUMENTS


async def test_a_concurrency_below_one_is_refused(project: Project, batch_id: str):
    handle = await project.client.load_batch(project.request(texts(1), batch_id))

    with pytest.raises(UsageError, match="at least 1"):
        await handle.set_concurrency(0)


async def test_a_batch_that_does_not_run_says_so_when_it_is_paused(project: Project, batch_id: str):
    handle = await project.client.load_batch(project.request(texts(1), batch_id))

    with pytest.raises(BatchError, match="is not running"):
        await handle.pause()

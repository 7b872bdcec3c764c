"""What happens in the same moment as something else: the end of a batch, a slow start, a host name that hangs."""

import asyncio
import socket
import time

import pytest

from crash.batch.projects import Project, texts
from engines import until
from outlive.batch_requests import BatchRequest
from outlive.contracts.batches import BatchSpec, ReadingOptions
from outlive.documents.entries import Entry
from outlive.documents.sources import Source
from outlive.errors import BatchError
from outlive.models.calls import Models

SILENCE = 4.0  # seconds: longer than the heartbeat timeout of these batches


async def test_a_model_whose_library_takes_long_to_import_is_asked_once_for_each_document(
    project: Project, batch_id: str, monkeypatch: pytest.MonkeyPatch
):
    real = Models.prepare

    async def slow(self: Models, model: str) -> None:
        await asyncio.sleep(SILENCE)
        await real(self, model)

    monkeypatch.setattr(Models, "prepare", slow)
    handle = await project.begin(texts(20), batch_id)
    async with project.serving():
        ended = await project.ended(handle)

    assert project.model.counts.calls == 20
    assert ended.progress.begun_again == 0


async def test_host_names_that_hang_do_not_silence_the_windows(
    project: Project, batch_id: str, monkeypatch: pytest.MonkeyPatch
):
    real = socket.getaddrinfo

    def slow(host: object, *args: object, **kwargs: object) -> object:
        if str(host).startswith("slow"):
            time.sleep(SILENCE)
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return real(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", slow)
    project.model.latency = SILENCE + 1
    slow_hosts = [Entry(uri=f"http://slow{number}.invalid/") for number in range(20)]
    quick = [Entry(uri=f"text#{number}", text=text) for number, text in enumerate(texts(10))]
    spec = BatchSpec(
        batch_id=batch_id, function="ask", model="openai:counting", concurrency=30, reading=ReadingOptions(attempts=1)
    )
    source = Source("hosts and texts", lambda: iter([*slow_hosts, *quick]))
    monkeypatch.setattr(
        project, "request", lambda *_args, **_options: BatchRequest(source=source, batch_id=batch_id, spec=spec)
    )
    handle = await project.begin([], batch_id, windows={"window_size": 30, "windows_in_flight": 1})
    async with project.serving():
        ended = await project.ended(handle)

    assert project.model.counts.calls == 10
    assert ended.progress.done == 10
    assert ended.progress.failed == {"dns": 20}
    assert ended.progress.begun_again == 0


async def test_failed_documents_are_retried_also_in_the_moment_in_which_the_batch_ends(project: Project, batch_id: str):
    async with project.serving():
        for attempt in range(4):
            contents = [f"[document 0] A stone {attempt}."]
            request = project.request(contents, f"{batch_id}-{attempt}", function="stumble")
            handle = await project.client.start_batch(request)
            await until(lambda ended=handle: has_ended(ended), "the batch ends")
            assert await handle.retry_failed() == 1
            ended = await project.ended(handle)

            assert ended.progress.failed_count == 1


async def test_a_pause_in_the_moment_in_which_the_batch_ends_changes_nothing(project: Project, batch_id: str):
    async with project.serving():
        for attempt in range(4):
            request = project.request([f"[document 0] Text {attempt}."], f"{batch_id}-{attempt}")
            handle = await project.client.start_batch(request)
            await until(lambda ended=handle: has_ended(ended), "the batch ends")
            try:
                await handle.pause()
            except BatchError:
                continue  # it was over by then
            temporal = await project.client.temporal()
            await temporal.get_workflow_handle(f"batch/{handle.batch_id}").result()

            assert (await handle.record()).state == "finished"


async def test_a_batch_cancelled_and_started_in_the_same_moment_goes_on(project: Project, batch_id: str):
    project.model.hold()
    handle = await project.begin(texts(20), batch_id)
    async with project.serving():
        await until(lambda: project.model.waiting > 0, "a call in flight")
        await handle.cancel()
        project.model.release()
        await until(lambda: is_in(handle, "cancelled"), "the batch is cancelled")
        await handle.start()
        ended = await project.ended(handle)

    assert ended.progress.done == 20
    assert project.model.counts.calls == 20


async def has_ended(handle) -> bool:
    return await is_in(handle, "finished")


async def is_in(handle, state: str) -> bool:
    return (await handle.record()).state == state

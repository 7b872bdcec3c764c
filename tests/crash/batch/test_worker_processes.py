"""Real worker processes, side by side and asked to stop."""

import asyncio
from dataclasses import replace

from aiohttp import web

from crash.batch.projects import MODEL, Project, texts
from engines import until
from outlive.batch_requests import BatchRequest
from outlive.contracts.batches import BatchSpec, ReadingOptions
from outlive.documents.entries import Entry
from outlive.documents.sources import Source

DOCUMENTS = 60


async def test_two_workers_share_a_batch_and_its_concurrency(project: Project, batch_id: str):
    project.model.hold()
    handle = await project.begin(texts(DOCUMENTS), batch_id, windows={"window_size": 5, "windows_in_flight": 4})
    workers = [project.start_worker(), project.start_worker()]
    await until(lambda: project.model.waiting >= 8, "eight calls in flight")
    await project.beats(handle, 2)
    held = project.model.waiting
    project.model.release()
    ended = await project.ended(handle)
    statuses = [await worker.terminate() for worker in workers]

    assert held == 8
    assert project.model.counts.most_in_flight <= 8 + len(workers)  # rounded up: one a process too many at most
    assert project.model.counts.calls == DOCUMENTS
    assert ended.progress.begun_again == 0
    assert statuses == [0, 0]


async def test_a_worker_asked_to_stop_finishes_what_is_in_flight_and_nothing_is_repeated(
    project: Project, batch_id: str
):
    project.model.latency = 0.3
    handle = await project.begin(texts(DOCUMENTS), batch_id)
    worker = project.start_worker()
    await until(lambda: project.model.counts.completed >= 8, "eight answers")
    status = await worker.terminate()
    at_stop = project.books(batch_id)
    project.model.latency = 0.02
    project.start_worker()
    ended = await project.ended(handle)

    assert status == 0
    assert at_stop.in_flight == set()
    assert 8 <= len(at_stop.recorded) < DOCUMENTS
    assert project.model.counts.calls == DOCUMENTS
    assert ended.progress.begun_again == 0
    assert ended.progress.done == DOCUMENTS


async def test_calls_that_outlast_the_grace_period_are_repeated_and_counted_but_not_held_against_the_document(
    project: Project, batch_id: str
):
    project.model.hold()
    handle = await project.begin(texts(4), batch_id, windows={"windows_in_flight": 1})
    impatient = replace(project.settings, drain_timeout=0.2)
    for _ in range(3):
        worker = project.start_worker(settings=impatient)
        await until(lambda: project.model.waiting == 4, "four calls in flight")
        await worker.terminate()
        await until(lambda: project.model.waiting == 0, "the calls are broken off")
    project.model.release()
    project.start_worker()
    ended = await project.ended(handle)

    assert ended.progress.begun_again == 12
    assert ended.progress.done == 4
    assert project.model.counts.completed == 4


async def test_reads_that_outlast_the_grace_period_are_nobodys_failure(project: Project, batch_id: str):
    async def hang(_request: web.Request) -> web.Response:
        waiting.append(1)
        await asyncio.sleep(3600)
        return web.Response()

    waiting: list[int] = []
    hanging = web.Application()
    hanging.router.add_get("/{number}", hang)
    runner = web.AppRunner(hanging, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = runner.addresses[0]
    entries = [Entry(uri=f"http://127.0.0.1:{address[1]}/{number}") for number in range(4)]
    spec = BatchSpec(
        batch_id=batch_id, function="ask", model=MODEL, reading=ReadingOptions(allow_private_addresses=True)
    )
    request = BatchRequest(source=Source("hanging", lambda: iter(entries)), batch_id=batch_id, spec=spec)
    await project.client.start_batch(request)
    worker = project.start_worker(settings=replace(project.settings, drain_timeout=0.5))
    await until(lambda: len(waiting) == 4, "four reads in flight")
    await worker.terminate()
    await runner.cleanup()

    books = project.books(batch_id)
    assert books.recorded == frozenset()
    assert books.in_flight == {0, 1, 2, 3}

"""A document that kills each worker which takes it."""

import asyncio
import contextlib

from crash.batch.projects import Project, texts


async def keep_a_worker(project: Project) -> None:
    """Start a worker again whenever it dies, as the supervisor does."""
    while True:
        await project.start_worker().death()


async def test_a_document_that_kills_its_worker_each_time_ends_as_killed_worker_and_the_rest_is_done(
    project: Project, batch_id: str
):
    contents = texts(12)
    contents[5] = "[document 5] poison"
    handle = await project.begin(
        contents, batch_id, function="kill_on_poison", windows={"window_size": 12, "heartbeat_timeout_seconds": 2.0}
    )
    project.write_books(batch_id, "INSERT INTO begun VALUES (:batch, 5, 3, 0, 0, 0, 0, 0, 0)")  # three deaths before
    keeping = asyncio.create_task(keep_a_worker(project))
    try:
        ended = await project.ended(handle)
    finally:
        keeping.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeping
    results = [row async for row in handle.results()]

    assert ended.progress.failed == {"killed_worker": 1}
    assert ended.progress.done == 11
    assert results[5].cause == "killed_worker"
    assert "6" in results[5].reason
    assert project.model.calls_of(5) == 0

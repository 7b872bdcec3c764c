"""A limit holds over all workers together, seen from the model server."""

from dataclasses import replace

from crash.batch.projects import Project, texts
from engines import until

LIMIT = 1_200  # calls a minute: 20 a second
DOCUMENTS = 200


async def test_four_workers_together_keep_to_one_limit(project: Project, batch_id: str):
    limited = replace(project.settings, requests_per_minute=f"openai:counting={LIMIT}")
    workers = [project.start_worker(settings=limited) for _ in range(4)]
    handle = await project.begin(texts(DOCUMENTS), batch_id, windows={"windows_in_flight": 8}, concurrency=64)
    ended = await project.ended(handle)
    begun = arrivals(project)

    assert ended.progress.done == DOCUMENTS
    assert len(begun) == DOCUMENTS
    assert most_within(begun, 4.0) <= LIMIT / 60 * (4.0 + 2.5 + 0.5)  # credit and lateness, and the way to the server
    assert len(workers) == 4


async def test_a_provider_that_asks_to_wait_slows_all_workers(project: Project, batch_id: str):
    limited = replace(project.settings, requests_per_minute="openai:counting=6000")
    for _ in range(2):
        project.start_worker(settings=limited)
    project.model.faults = replace(project.model.faults, calls_per_second=20, retry_after=3.0)
    handle = await project.begin(texts(120), batch_id, windows={"windows_in_flight": 8}, concurrency=64)
    await until(lambda: project.model.counts.faulted > 0, "a refusal")
    project.model.faults = replace(project.model.faults, calls_per_second=0.0)
    first_refusal = max(arrivals(project))
    ended = await project.ended(handle)

    assert ended.progress.done == 120
    assert [at for at in arrivals(project) if first_refusal + 1.5 < at < first_refusal + 2.5] == []


def arrivals(project: Project) -> list[float]:
    return sorted(at for calls in project.model.counts.documents.values() for at in calls.begun)


def most_within(moments: list[float], seconds: float) -> int:
    return max(sum(begin <= at < begin + seconds for at in moments) for begin in moments)

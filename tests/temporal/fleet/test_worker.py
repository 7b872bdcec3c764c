"""`outlive worker`: it says how it is, counts what it does, drains, and hands back what it cannot finish."""

from dataclasses import replace

from crash.batch.projects import APP, Project, texts
from engines import until
from fleets import standalone_worker
from outlive.worker.standalone import ENDED_AT_ONCE


async def test_a_worker_says_how_it_is_counts_its_work_and_drains(project: Project, batch_id: str, tmp_path):
    async with standalone_worker(APP, project.environment, tmp_path) as worker:
        handle = await project.begin(texts(20), batch_id)
        await project.ended(handle)
        metrics = await worker.metrics()
        project.model.hold()
        second = await project.begin(texts(4, first=100), f"{batch_id}-2")
        await until(lambda: project.model.waiting == 4, "four calls in flight")
        worker.ask_to_stop()
        await until(lambda: worker_drains(worker), "it drains")
        alive, _ = await worker.probe("/healthz")
        project.model.release()
        status = await worker.ended()

    assert 'outlive_documents_total{status="done"} 20' in without_service(metrics)
    assert 'outlive_model_calls_total{model="openai:counting",outcome="answered"} 20' in without_service(metrics)
    assert "outlive_hand_offs_waiting" in metrics
    assert "temporal_worker_task_slots_available" in metrics
    assert alive == 200
    assert status == 0
    assert (await second.record()).document_count == 4
    assert project.books(f"{batch_id}-2").in_flight == set()
    assert project.model.counts.calls == 24


async def test_a_worker_asked_twice_ends_at_once_and_others_take_over_what_it_had(
    project: Project, batch_id: str, tmp_path
):
    project.model.hold()
    async with standalone_worker(APP, project.environment, tmp_path) as worker:
        handle = await project.begin(texts(4), batch_id)
        await until(lambda: project.model.waiting == 4, "four calls in flight")
        worker.ask_to_stop()
        await until(lambda: worker_drains(worker), "it drains")
        worker.ask_to_stop()
        status = await worker.ended()
    project.model.release()
    project.start_worker(settings=replace(project.settings))
    ended = await project.ended(handle)

    assert status == ENDED_AT_ONCE
    assert ended.progress.done == 4
    assert project.model.counts.completed == 4


async def worker_drains(worker):
    status, found = await worker.probe("/readyz")
    return status == 503 and found["not_draining"] is False


def without_service(metrics: str) -> str:
    return metrics.replace(',service_name="temporal-core-sdk"', "").replace('service_name="temporal-core-sdk",', "")

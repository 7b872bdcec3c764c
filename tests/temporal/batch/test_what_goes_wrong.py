"""A model or a function that goes wrong: which documents fail, which wait, and what the status says."""

from dataclasses import replace

from crash.batch.projects import Project, texts
from engines import until
from outlive.activities.windows import GIVEN_UP_AFTER, OUTAGES_ALONE
from outlive.app import App
from outlive.testing.model_server import Faults

DOCUMENTS = 30


async def test_a_function_that_raises_fails_its_document_with_the_reason_and_the_others_are_done(
    project: Project, batch_id: str
):
    contents = texts(DOCUMENTS)
    contents[4] = "[document 4] a stone lies here"
    handle = await project.begin(contents, batch_id, function="stumble")
    async with project.serving():
        ended = await project.ended(handle)
        results = [row async for row in handle.results()]

    assert ended.progress.done == DOCUMENTS - 1
    assert ended.progress.failed == {"function_error": 1}
    assert results[4].reason == "ZeroDivisionError: nothing goes into nothing"
    assert project.model.counts.calls == DOCUMENTS


async def test_a_server_error_for_one_document_fails_that_one_alone(project: Project, batch_id: str):
    project.model.breaks_on = {"11"}
    handle = await project.begin(texts(DOCUMENTS), batch_id)
    async with project.serving():
        ended = await project.ended(handle)
        results = [row async for row in handle.results()]

    assert ended.progress.done == DOCUMENTS - 1
    assert ended.progress.failed == {"model_unavailable": 1}
    assert "500" in results[11].reason
    assert project.model.calls_of(11) == 2


async def test_an_outage_of_the_model_is_waited_out_without_failing_a_document(project: Project, batch_id: str):
    project.model.breaks_on = {str(number) for number in range(DOCUMENTS)}
    settings = replace(project.settings, outage_pause=0.1, model_attempts=1)
    handle = await project.begin(texts(DOCUMENTS), batch_id)
    async with project.serving(settings=settings):
        await until(lambda: project.model.calls_of(0) > GIVEN_UP_AFTER, "more rounds than a suspect gets")
        during = await handle.status()
        project.model.breaks_on = set()
        ended = await project.ended(handle)

    assert during.progress.failed == {}
    assert "500" in during.health.problem
    assert ended.progress.done == DOCUMENTS
    assert ended.progress.failed == {}
    assert ended.progress.begun_again == 0
    assert project.model.counts.completed == DOCUMENTS


async def test_a_document_that_nobody_answers_does_not_keep_its_batch_from_ending(project: Project, batch_id: str):
    project.model.breaks_on = {"0"}
    settings = replace(project.settings, outage_pause=0.05, model_attempts=1)
    handle = await project.begin(texts(1), batch_id)
    project.write_books(
        handle.batch_id, "INSERT INTO begun VALUES (:batch, 0, :times, :times, 0, 0, 0, 0, 0)", times=OUTAGES_ALONE - 1
    )
    async with project.serving(settings=settings):
        ended = await project.ended(handle)

    assert ended.progress.failed == {"model_unavailable": 1}
    assert project.model.calls_of(0) == 2


async def test_a_refused_key_pauses_the_batch_and_resume_goes_on(project: Project, batch_id: str):
    project.model.faults = Faults(refuse_key=True)
    handle = await project.begin(texts(DOCUMENTS), batch_id)
    async with project.serving():

        async def is_paused() -> bool:
            return (await handle.record()).state == "paused"

        await until(is_paused, "paused")
        paused = await handle.status()
        project.model.faults = Faults()
        await handle.resume()
        ended = await project.ended(handle)

    assert "refused the key" in paused.record.state_reason
    assert paused.progress.failed == {}
    assert ended.record.state_reason is None
    assert ended.progress.done == DOCUMENTS
    assert project.model.counts.completed == DOCUMENTS


async def test_a_result_that_is_no_clean_text_is_an_outcome_like_any_other(project: Project, batch_id: str):
    app = App("odd")

    @app.batch()
    async def odd(document, llm) -> str:
        return f"half a pair: \ud800, and a nul: \x00, of {document.position}"

    project.client.app = app
    handle = await project.begin(texts(3), batch_id, function="odd")
    async with project.serving(app):
        ended = await project.ended(handle)
        results = [row async for row in handle.results()]

    assert ended.progress.done + ended.progress.failed_count == 3
    assert all("half a pair" in (row.result or row.reason) for row in results)


async def test_no_worker_is_named_at_once(project: Project, batch_id: str):
    handle = await project.begin(texts(3), batch_id)
    status = await handle.status()

    assert status.health.worker_count == 0
    assert "No worker polls" in status.health.problem
    assert project.settings.task_queue in status.health.problem


async def test_a_worker_without_the_function_is_named(project: Project, batch_id: str):
    handle = await project.begin(texts(3), batch_id)
    async with project.serving(App("another")):

        async def is_named() -> bool:
            return "No batch function 'ask'" in ((await handle.status()).health.problem or "")

        await until(is_named, "the missing function is named", deadline=20.0)
    async with project.serving():
        ended = await project.ended(handle)

    assert ended.progress.done == 3

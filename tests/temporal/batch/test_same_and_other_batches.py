"""Which requests are the same batch, and which answers are paid for only once."""

from dataclasses import replace

import pytest

from crash.batch.projects import Project, texts
from outlive.errors import BatchError

DOCUMENTS = 20


async def finish(project: Project, batch_id: str | None, contents: list[str], **spec):
    handle = await project.client.start_batch(project.request(contents, batch_id, **spec))
    return await project.ended(handle)


async def test_the_same_request_twice_is_one_batch(project: Project):
    async with project.serving():
        first = await project.client.start_batch(project.request(texts(DOCUMENTS), None))
        second = await project.client.start_batch(project.request(texts(DOCUMENTS), None))
        await project.ended(second)
        third = await project.client.start_batch(project.request(texts(DOCUMENTS), None))
        ended = await project.ended(third)

    assert first.batch_id == second.batch_id == third.batch_id
    assert ended.progress.done == DOCUMENTS
    assert project.model.counts.calls == DOCUMENTS


async def test_the_same_id_with_another_instruction_or_model_is_refused(project: Project, batch_id: str):
    await project.client.load_batch(project.request(texts(3), batch_id))

    for changed in ({"instruction": "Something else."}, {"model": "openai:other"}, {"function": "ask_twice"}):
        with pytest.raises(BatchError, match="exists with another"):
            await project.client.load_batch(project.request(texts(3), batch_id, **changed))


async def test_documents_done_in_an_earlier_batch_cost_nothing_and_are_named(project: Project, batch_id: str):
    async with project.serving():
        await finish(project, f"{batch_id}-first", texts(DOCUMENTS))
        again = await finish(project, f"{batch_id}-second", texts(DOCUMENTS + 5))
        results = [row async for row in (await project.client.batch(f"{batch_id}-second")).results()]

    assert again.progress.done == DOCUMENTS + 5
    assert again.progress.reused == DOCUMENTS
    assert again.progress.calls == 5
    assert project.model.counts.calls == DOCUMENTS + 5
    assert [row.reused for row in results] == [True] * DOCUMENTS + [False] * 5
    assert all(row.result for row in results)


async def test_a_fresh_batch_answers_everything_anew(project: Project, batch_id: str):
    async with project.serving():
        await finish(project, f"{batch_id}-first", texts(DOCUMENTS))
        again = await finish(project, f"{batch_id}-second", texts(DOCUMENTS), fresh=True)

    assert again.progress.reused == 0
    assert project.model.counts.calls == 2 * DOCUMENTS


async def test_another_instruction_reuses_nothing(project: Project, batch_id: str):
    async with project.serving():
        await finish(project, f"{batch_id}-first", texts(3))
        again = await finish(project, f"{batch_id}-second", texts(3), instruction="Translate it.")

    assert again.progress.reused == 0
    assert project.model.counts.calls == 6


async def test_duplicates_are_done_once_and_stand_in_the_results_with_the_firsts_answer(
    project: Project, batch_id: str
):
    doubled = [text for text in texts(10) for _ in range(2)]
    async with project.serving():
        ended = await finish(project, batch_id, doubled)
        results = [row async for row in (await project.client.batch(batch_id)).results()]

    assert project.model.counts.calls == 10
    assert ended.record.duplicate_count == 10
    assert ended.progress.total == ended.progress.done == 10
    assert [row.duplicate_of for row in results] == [place for first in range(0, 20, 2) for place in (None, first)]
    assert [row.result for row in results[::2]] == [row.result for row in results[1::2]]


async def test_failed_documents_are_done_again_and_what_they_cost_stays_counted(project: Project, batch_id: str):
    model = replace(project.model.faults, invalid_share=0.0)
    project.model.breaks_on = {"3", "7"}
    async with project.serving():
        first = await finish(project, batch_id, texts(DOCUMENTS))
        project.model.breaks_on = set()
        project.model.faults = model
        handle = await project.client.batch(batch_id)
        count = await handle.retry_failed()
        ended = await project.ended(handle)
        nothing_left = await handle.retry_failed()

    assert first.progress.failed == {"model_unavailable": 2}
    assert count == 2
    assert nothing_left == 0
    assert ended.progress.done == DOCUMENTS
    assert ended.progress.failed == {}
    assert ended.progress.calls == DOCUMENTS
    assert ended.progress.input_tokens >= first.progress.input_tokens
    assert [project.model.calls_of(number) for number in (2, 3, 7)] == [1, 3, 3]


async def test_answers_paid_for_before_a_failure_stay_counted_after_the_retry(project: Project, batch_id: str):
    async with project.serving():
        first = await finish(project, batch_id, [*texts(3), "[document 3] a stone lies here"], function="stumble")
        handle = await project.client.batch(batch_id)
        await handle.retry_failed()
        ended = await project.ended(handle)

    assert first.progress.failed == ended.progress.failed == {"function_error": 1}
    assert first.progress.calls == 4
    assert ended.progress.calls == project.model.counts.completed == 5
    assert ended.progress.input_tokens > first.progress.input_tokens

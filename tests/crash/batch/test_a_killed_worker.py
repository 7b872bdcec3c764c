"""A worker process dies with -9 at each moment that hurts; another one goes on. Counted at the model server."""

import os
import signal

import pytest

from crash.batch.projects import Books, Project, is_intact, texts
from engines import until
from outlive.testing.faults import Fault, Moment

DOCUMENTS = 40


async def assert_paid_once(project: Project, batch_id: str, *deaths: Books) -> None:
    """Each document has exactly one outcome, and only what was in flight at a death was called for again."""
    counts, now = project.model.counts, project.books(batch_id)
    repeated = {int(name) for name, calls in counts.documents.items() if len(calls.begun) > 1}
    in_flight = set().union(*(death.in_flight for death in deaths))
    handle = await project.client.batch(batch_id)
    results = [row async for row in handle.results()]
    progress = (await handle.status(ask_engine=False)).progress

    assert [row.position for row in results] == list(range(len(results)))
    assert {row.status for row in results} == {"done"}
    assert now.recorded == set(range(len(results)))
    assert now.kept_calls == 0
    assert repeated <= in_flight
    assert counts.calls <= len(results) + sum(len(death.in_flight) for death in deaths)
    assert progress.begun_again == sum(len(death.in_flight) for death in deaths)
    assert is_intact(project.ledger_path)


MOMENTS = [
    pytest.param(Fault(Moment.BEFORE_COMMIT), 0, id="before a window's first commit"),
    pytest.param(Fault(Moment.AFTER_COMMIT, occurrence=2), 1, id="between a commit and the next heartbeat"),
    pytest.param(Fault(Moment.WINDOW_DONE), 10, id="between the last commit and the activity's completion"),
]


@pytest.mark.parametrize(("fault", "recorded_at_least"), MOMENTS)
async def test_a_worker_killed_at_the_worst_moment_pays_for_each_document_once(
    project: Project, batch_id: str, fault: Fault, recorded_at_least: int
):
    handle = await project.begin(texts(DOCUMENTS), batch_id)
    status = await project.start_worker(fault).death()
    at_death = project.books(batch_id)
    project.start_worker()
    ended = await project.ended(handle)

    assert status == -9
    assert recorded_at_least <= len(at_death.recorded) < DOCUMENTS
    assert ended.record.state == "finished"
    await assert_paid_once(project, batch_id, at_death)


@pytest.mark.parametrize("moment", [Moment.CONTINUE_AS_NEW, Moment.CONTINUED])
async def test_a_worker_killed_during_continue_as_new_repeats_nothing(project: Project, batch_id: str, moment: Moment):
    handle = await project.begin(texts(DOCUMENTS), batch_id, windows={"windows_per_run": 2})
    status = await project.start_worker(Fault(moment)).death()
    at_death = project.books(batch_id)
    project.start_worker()
    await project.ended(handle)

    assert status == -9
    assert at_death.in_flight == set()
    assert len(at_death.recorded) == DOCUMENTS // 2
    assert project.model.counts.calls == DOCUMENTS
    await assert_paid_once(project, batch_id, at_death)


async def test_a_worker_killed_while_it_waits_for_answers_repeats_what_was_in_flight(project: Project, batch_id: str):
    handle = await project.begin(texts(DOCUMENTS), batch_id)
    worker = project.start_worker()
    await until(lambda: project.model.counts.completed >= 10, "ten answers")
    project.model.hold()
    await until(lambda: project.model.waiting == 8, "eight calls in flight")
    await worker.kill()
    at_death = project.books(batch_id)
    project.model.release()
    project.start_worker()
    await project.ended(handle)

    assert len(at_death.in_flight) >= 8
    assert project.model.counts.calls == DOCUMENTS + len(at_death.in_flight)
    await assert_paid_once(project, batch_id, at_death)


async def test_a_worker_killed_between_two_calls_of_a_function_makes_only_the_second_again(
    project: Project, batch_id: str
):
    handle = await project.begin(texts(8), batch_id, function="ask_twice", windows={"windows_in_flight": 1})
    project.model.hold("second")
    worker = project.start_worker()
    await until(lambda: project.books(batch_id).kept_calls == 8, "all first answers are kept")
    await until(lambda: project.model.waiting == 8, "all second calls are in flight")
    await worker.kill()
    project.model.release()
    project.start_worker()
    ended = await project.ended(handle)

    assert [project.model.calls_of(number) for number in range(8)] == [1] * 8
    assert [project.model.calls_of(f"second-{number}") for number in range(8)] == [2] * 8
    assert ended.progress.done == 8
    assert ended.progress.calls == 16
    assert ended.progress.begun_again == 8
    assert project.books(batch_id).kept_calls == 0


async def test_a_worker_taken_for_dead_that_comes_back_makes_no_call_whose_outcome_is_recorded(
    project: Project, batch_id: str
):
    project.model.hold()
    handle = await project.begin(texts(20), batch_id, concurrency=8)
    sleeper = project.start_worker()
    await until(lambda: project.model.waiting == 8, "eight calls in flight")
    os.kill(sleeper.pid, signal.SIGSTOP)
    project.model.release()
    other = project.start_worker()
    ended = await project.ended(handle)
    await other.terminate()
    os.kill(sleeper.pid, signal.SIGCONT)  # with its old windows, twelve documents of which it has not begun
    await project.ended(await project.begin(texts(4, first=100), f"{batch_id}-2"))
    await sleeper.terminate()

    assert ended.progress.done == 20
    assert project.model.counts.calls == 20 + 8 + 4
    assert sum(project.model.calls_of(number) for number in range(20)) == 20 + 8

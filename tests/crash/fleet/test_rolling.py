"""All workers are replaced, one after the other, in the middle of everything: nobody repeats, nobody waits for long."""

from collections.abc import Callable
from itertools import pairwise

from crash.agents.projects import AgentProject
from crash.batch.projects import Project, texts
from crash.workers import WorkerProcess
from engines import until
from outlive.engine.home import Home
from outlive.engine.presence import Presence
from outlive.settings import Settings

LONGEST_DELAY = 10.0  # seconds
DOCUMENTS = 240
RUNS, ACTS = 4, 25


async def test_a_roll_in_mid_batch_repeats_no_call_and_holds_nothing_up(batches: Project, batch_id: str):
    batches.model.latency = 0.4
    workers = [batches.start_worker() for _ in range(3)]
    handle = await batches.begin(texts(DOCUMENTS), batch_id, windows={"windows_in_flight": 6})
    await until(lambda: batches.model.counts.completed >= 10, "ten answers")
    statuses = await rolled(workers, batches.start_worker, batches.settings)
    at_roll = batches.model.counts.completed
    batches.model.latency = 0.02
    ended = await batches.ended(handle)
    begun = sorted(at for calls in batches.model.counts.documents.values() for at in calls.begun)

    assert statuses == [0, 0, 0]
    assert at_roll < DOCUMENTS
    assert batches.model.counts.calls == DOCUMENTS
    assert ended.progress.begun_again == 0
    assert longest_gap(begun) < LONGEST_DELAY


async def test_a_roll_in_mid_run_repeats_no_call_and_delays_no_run(new_project):
    project: AgentProject = await new_project("roll")
    workers = [project.start_worker() for _ in range(2)]
    handles = [await project.begin("actor", f"Act {ACTS} times.", f"roll-{number}") for number in range(RUNS)]
    await until(lambda: all(len(project.outside.of(f"roll-{n}")) >= 2 for n in range(RUNS)), "all runs have begun")
    statuses = await rolled(workers, project.start_worker, project.settings)
    at_roll = len(project.outside.calls)
    results = [await project.ended(handle) for handle in handles]

    assert statuses == [0, 0]
    assert at_roll < RUNS * (2 * ACTS + 1)
    assert [result.output for result in results] == [f"acted {ACTS} times; heard 1"] * RUNS
    for number, handle in enumerate(handles):
        assert project.outside.repeated(f"roll-{number}") == {}
        assert {entry.attempts for entry in project.effects(handle)} == {1}
        assert longest_gap([call.begun for call in project.outside.of(f"roll-{number}")]) < LONGEST_DELAY


async def test_a_call_that_outlasts_the_drain_is_made_again_by_another_worker_though_no_heartbeat_timeout_has_ended(
    new_project,
):
    project: AgentProject = await new_project("outlasting")
    project.outside.hold("tool")
    first = project.start_worker()
    handle = await project.begin("patient", "Act 1 times.", "outlasting")
    await until(lambda: project.outside.in_flight("tool") == 1, "a tool is at work")
    project.start_worker()
    presence = Presence(Home(project.settings.home))
    await until(lambda: presence.count(project.settings.task_queue) == 2, "another worker serves")
    status = await first.terminate()
    project.outside.release()
    await project.ended(handle)

    assert status == 0
    assert project.outside.repeated("outlasting") == {("tool", 0): 2}
    assert {call.key for call in project.outside.of("outlasting", "tool")} == {
        project.outside.of("outlasting", "tool")[0].key
    }
    assert {entry.failures for entry in project.effects(handle)} == {0}


async def rolled(workers: list[WorkerProcess], start: Callable[[], WorkerProcess], settings: Settings) -> list[int]:
    """Replace workers one after the other: the new one serves before the old one is asked to stop."""
    presence, statuses = Presence(Home(settings.home)), []
    for worker in workers:
        start()
        await until(lambda: presence.count(settings.task_queue) > len(workers), "the new worker serves")
        statuses.append(await worker.terminate())
    return statuses


def longest_gap(moments: list[float]) -> float:
    return max(later - earlier for earlier, later in pairwise(moments))

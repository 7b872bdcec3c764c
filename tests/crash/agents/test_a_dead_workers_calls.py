"""What a dead worker held goes on at once on the same machine: here no heartbeat timeout ends before the test does."""

import pytest

from crash.agents.projects import AgentProject
from engines import until
from outlive.engine.home import Home
from outlive.engine.presence import Presence
from outlive.testing.faults import Moment


@pytest.mark.parametrize("kind", ["model", "tool"])
async def test_a_call_whose_worker_died_is_made_again_though_no_heartbeat_timeout_has_ended(
    project: AgentProject, kind: str
):
    run = f"unbeaten-{kind}"
    project.outside.hold(kind)
    handle = await project.begin("patient", "Act 2 times.", run)
    worker = project.start_worker()
    await until(lambda: project.outside.in_flight(kind) == 1, "a call is in flight")
    await worker.kill()
    project.outside.release()
    project.start_worker()
    result = await project.ended(handle)
    history = await (await project.client.temporal()).get_workflow_handle(handle.workflow_id).fetch_history()
    begun = [event.activity_task_started_event_attributes for event in history.events]

    assert result.output == "acted 2 times; heard 1"
    assert project.outside.repeated(run) == {(kind, 0): 2}
    assert [(entry.attempt, entry.last_failure.message) for entry in begun if entry.attempt > 1] == [
        (2, "its worker died")
    ]
    assert {entry.failures for entry in project.effects(handle)} == {0}


async def test_a_worker_that_was_there_already_goes_on_with_what_another_one_held(project: AgentProject):
    project.outside.hold("tool")
    handle = await project.begin("patient", "Act 6 times at once.", "survived")
    first = project.start_worker()
    await until(lambda: project.outside.in_flight("tool") == 6, "six tools are at work")
    project.start_worker()
    presence = Presence(Home(project.settings.home))
    await until(lambda: presence.count(project.settings.task_queue) == 2, "another worker serves")
    await first.kill()
    project.outside.release()
    await project.ended(handle)

    assert set(project.outside.repeated("survived").values()) == {2}
    assert len(project.outside.repeated("survived")) == 6


async def test_a_recorded_call_whose_worker_died_unheard_goes_on_though_no_heartbeat_timeout_has_ended(
    project: AgentProject,
):
    handle = await project.begin("patient", "Act 2 times.", "unheard")
    status = await project.start_worker(project.fault(Moment.CALL_RECORDED, 3)).death()
    project.start_worker()
    result = await project.ended(handle)

    assert status == -9
    assert result.output == "acted 2 times; heard 1"
    assert project.outside.repeated("unheard") == {}


async def test_a_call_that_kills_each_of_its_workers_is_made_again_after_each(project: AgentProject):
    handle = await project.begin("patient", "Act 1 times.", "deadly")
    statuses = [await project.start_worker(project.fault(Moment.CALL_CLAIMED)).death() for _ in range(4)]
    project.start_worker()
    await project.ended(handle)

    assert statuses == [-9] * 4
    assert [entry.attempts for entry in project.effects(handle)] == [5, 1, 1]
    assert project.outside.repeated("deadly") == {}

"""A worker dies with -9, stops, or falls asleep in the middle of an agent's run; another one goes on."""

import asyncio
import os
import signal

import pytest

from crash.agents.projects import AgentProject, plain
from engines import until
from outlive.errors import RunError, RunFailed
from outlive.testing.faults import Moment


@pytest.mark.parametrize("kind", ["model", "tool"])
async def test_only_the_call_in_flight_is_made_again_and_under_the_same_key(project: AgentProject, kind: str):
    project.outside.hold(kind)
    handle = await project.begin("actor", "Act 2 times.", f"in-flight-{kind}")
    worker = project.start_worker()
    await until(lambda: project.outside.in_flight(kind) == 1, "a call is in flight")
    await worker.kill()
    project.outside.release()
    project.start_worker()
    result = await project.ended(handle)

    assert result.output == "acted 2 times; heard 1"
    assert project.outside.repeated(f"in-flight-{kind}") == {(kind, 0): 2}
    first, second = [call for call in project.outside.of(f"in-flight-{kind}", kind) if call.place == 0]
    assert first.key == second.key is not None
    assert len({call.key for call in project.outside.of(f"in-flight-{kind}")}) == 5


async def test_parallel_tools_in_flight_are_made_again_each_under_its_key_and_the_finished_ones_are_not(
    project: AgentProject,
):
    project.outside.hold("tool")
    handle = await project.begin("actor", "Act 6 times at once.", "parallel")
    worker = project.start_worker()
    await until(lambda: project.outside.in_flight("tool") == 6, "six tools are at work")
    project.outside.release(2)
    await until(
        lambda: sum(entry.kind == "tool" and entry.state == "done" for entry in project.effects(handle)) == 2,
        "two of them are recorded",
    )
    await worker.kill()
    project.outside.release()
    project.start_worker()
    await project.ended(handle)

    keys: dict[int, set[str | None]] = {}
    for call in project.outside.of("parallel", "tool"):
        keys.setdefault(call.place, set()).add(call.key)
    assert len(project.outside.repeated("parallel")) == 4
    assert set(project.outside.repeated("parallel").values()) == {2}
    assert [len(found) for found in keys.values()] == [1] * 6


@pytest.mark.parametrize("moment", [Moment.CONTINUE_AS_NEW, Moment.CONTINUED])
async def test_a_worker_killed_at_continue_as_new_in_mid_turn_repeats_nothing(project: AgentProject, moment: Moment):
    handle = await project.begin("actor", "Act 12 times.", f"long-{moment}", events_per_run=50)
    status = await project.start_worker(project.fault(moment, 2)).death()
    project.start_worker()
    result = await project.ended(handle)
    temporal = await project.client.temporal()
    runs = [run async for run in temporal.list_workflows(f'WorkflowId = "{handle.workflow_id}"')]

    assert status == -9
    assert result.output == "acted 12 times; heard 1"
    assert len(runs) > 2
    assert project.outside.repeated(f"long-{moment}") == {}
    assert len(project.outside.of(f"long-{moment}")) == 25


async def test_a_decision_that_is_made_while_no_worker_is_there_waits_for_one_and_acts(project: AgentProject):
    project.obstacle.touch()
    handle = await project.begin("parker", "Act 2 times.", "parked")
    worker = project.start_worker()
    await until(lambda: _is(handle, "parked"), "the run is parked")
    await worker.kill()
    project.obstacle.unlink()
    questions = (await handle.status()).questions
    deciding = asyncio.create_task(handle.decide("retry"))
    await handle.status()
    was_waiting = not deciding.done()
    project.start_worker()
    await deciding
    result = await project.ended(handle)

    assert "the door is locked" in questions[0].reason
    assert was_waiting
    assert result.output == "acted 2 times; heard 1"
    assert project.outside.repeated("parked") == {}
    with pytest.raises(RunError, match="has ended"):
        await handle.decide("retry")


async def test_a_question_outlives_every_worker_and_is_asked_once(project: AgentProject):
    project.obstacle.touch()
    handle = await project.begin("parker", "Act 1 times.", "asked")
    for _ in range(2):
        worker = project.start_worker()
        await until(lambda: _is(handle, "parked"), "the run is parked")
        await worker.kill()
    first = (await handle.status()).questions
    project.start_worker()
    await handle.decide("tell")
    result = await project.ended(handle)

    assert len(first) == 1
    assert result.output == "acted 1 times; heard 1"
    assert project.outside.of("asked", "tool") == []
    assert [event.kind async for event in handle.events()].count("waiting") == 1


async def test_a_worker_asked_to_stop_finishes_the_call_in_flight_and_nothing_is_repeated(project: AgentProject):
    project.outside.hold("model")
    handle = await project.begin("actor", "Act 2 times.", "drained")
    worker = project.start_worker()
    await until(lambda: project.outside.in_flight("model") == 1, "a call is in flight")
    stopping = asyncio.create_task(worker.terminate())
    project.outside.release()
    status = await stopping
    at_stop = project.effects(handle)
    project.start_worker()
    result = await project.ended(handle)

    assert status == 0
    assert [entry.state for entry in at_stop] == ["done"]
    assert result.output == "acted 2 times; heard 1"
    assert project.outside.repeated("drained") == {}


async def test_a_call_that_outlasts_the_grace_of_a_stopping_worker_is_handed_on_and_is_no_failure(
    project: AgentProject,
):
    project.outside.hold("tool")
    handle = await project.begin("actor", "Act 1 times.", "outlasting")
    worker = project.start_worker()
    await until(lambda: project.outside.in_flight("tool") == 1, "a call is in flight")
    status = await worker.terminate()
    project.outside.release()
    project.start_worker()
    result = await project.ended(handle)

    assert status == 0
    assert result.output == "acted 1 times; heard 1"
    assert project.outside.repeated("outlasting") == {("tool", 0): 2}
    assert [entry.failures for entry in project.effects(handle)] == [0, 0, 0]


async def test_a_worker_that_wakes_up_after_its_call_was_made_elsewhere_changes_nothing(project: AgentProject):
    project.outside.hold("tool")
    handle = await project.begin("actor", "Act 2 times.", "sleeper")
    sleeper = project.start_worker()
    await until(lambda: project.outside.in_flight("tool") == 1, "a call is in flight")
    os.kill(sleeper.pid, signal.SIGSTOP)
    project.start_worker()
    await until(lambda: project.outside.in_flight("tool") == 2, "the call is made elsewhere")
    project.outside.release()
    result = await project.ended(handle)
    at_end = project.effects(handle)
    os.kill(sleeper.pid, signal.SIGCONT)
    later = [await project.ended(await project.begin("actor", "Act 2 times.", f"later-{n}")) for n in range(3)]
    status = await sleeper.terminate()

    assert result.output == "acted 2 times; heard 1"
    assert "did 0 for time 2" in str(plain(result.messages, "sleeper"))
    assert project.outside.repeated("sleeper") == {("tool", 0): 2}
    assert project.effects(handle) == at_end
    assert [run.output for run in later] == ["acted 2 times; heard 1"] * 3
    assert status == 0


async def test_a_tool_that_ignores_its_timeout_counts_as_done_once_it_returns(project: AgentProject):
    project.outside.hold("tool")
    handle = await project.begin("stubborn", "Act 1 times.", "deaf")
    project.start_worker()
    await until(lambda: project.outside.in_flight("tool") == 1, "a call is in flight")
    await until(project.obstacle.exists, "its time is up, and it goes on")
    project.outside.release()
    result = await project.ended(handle)

    assert result.output == "acted 1 times; heard 1"
    assert project.outside.repeated("deaf") == {}


async def test_a_tool_that_ignores_cancellation_holds_up_neither_the_run_nor_the_worker(project: AgentProject):
    project.outside.hold("tool")
    handle = await project.begin("stubborn", "Act 1 times.", "unheard")
    worker = project.start_worker()
    await until(lambda: project.outside.in_flight("tool") == 1, "a call is in flight")
    await handle.cancel()
    with pytest.raises(RunFailed, match="cancelled"):
        await project.ended(handle)
    still_at_it = project.outside.in_flight("tool")
    other = await project.ended(await project.begin("actor", "Act 0 times.", "other"))
    project.outside.release()
    status = await worker.terminate()

    assert still_at_it == 1
    assert other.output == "acted 0 times; heard 1"
    assert status == 0


async def test_a_child_run_goes_on_where_it_was_and_its_parent_with_it(project: AgentProject):
    handle = await project.begin("asker", "Act 2 times.", "parent")
    project.outside.hold("tool")
    worker = project.start_worker()
    await until(lambda: project.outside.in_flight("tool") == 1, "the child is at work")
    await worker.kill()
    project.outside.release()
    project.start_worker()
    result = await project.ended(handle)

    assert result.output == "acted 2 times; heard 1"
    assert project.outside.repeated("parent") == {}
    assert project.outside.repeated("parent.0") == {("tool", 0): 2}
    assert project.outside.repeated("parent.1") == {}
    assert result.usage["requests"] == 3 + 2 * 3


async def _is(handle, state: str) -> bool:
    return (await handle.status()).state == state

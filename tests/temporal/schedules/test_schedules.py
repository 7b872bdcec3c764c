"""Schedules: what they start is a run like any other, once for each time."""

import asyncio
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart
from pydantic_ai.models.function import FunctionModel
from temporalio.client import WorkflowExecutionStatus

from engines import fresh, until
from outlive import AgentStart, App, BatchStart, Budget, Durable, PlanStart, Timing
from outlive.errors import RunFailed, ScheduleError, ScheduleUnknown
from outlive.names import scheduled_run_id
from temporal.plans.world import Shelf

NEVER = Timing(cron=["0 0 1 1 *"])
"""Once a year: what runs in a test was triggered."""


def shouting(**options) -> Agent:
    def answer(messages, _):
        return ModelResponse(parts=[TextPart(str(messages[-1].parts[-1].content).upper())])

    return Agent(FunctionModel(answer), name=fresh("shouter"), capabilities=[Durable(**options)])


async def triggered(client, schedule_id: str) -> str:
    workflow_id = await client.schedules.trigger(schedule_id)
    assert workflow_id is not None
    return workflow_id


async def started(client, schedule_id: str):
    """Trigger a schedule of an agent, and return the handle of the run once it is there."""
    workflow_id = await triggered(client, schedule_id)

    async def is_there() -> bool:
        return bool([run async for run in client.runs() if run.workflow_id == workflow_id])

    await until(is_there, f"{workflow_id} is there")
    return await client.run(workflow_id)


async def test_a_triggered_schedule_starts_a_run_called_by_it_and_the_time_and_priced_by_its_own_budget(served):
    agent, name = shouting(), fresh("nightly")
    client = await served(App("test", agents=[agent], priorities={"acme": 2}))
    start = AgentStart(agent=agent.name, prompt="good night", budget="10calls", tenant="acme")
    await client.schedules.add(name, start, NEVER)

    handle = await started(client, name)
    result = await handle.result()

    assert result.output == "GOOD NIGHT"
    assert handle.run_id.startswith(f"{name}-20")
    (budget,) = await client.ledger.call(client.ledger.budgets.find, [handle.workflow_id])
    assert (budget.caps["calls"], budget.spent["calls"]) == (10, 1)
    description = await (await client.temporal()).get_workflow_handle(handle.workflow_id).describe()
    waits_with = description.raw_description.workflow_execution_info.priority
    assert (waits_with.priority_key, waits_with.fairness_key) == (2, "acme")
    shown = await client.schedules.get(name)
    assert [(run.workflow_id, run.state) for run in shown.recent] == [(handle.workflow_id, "completed")]
    await client.schedules.remove(name)


async def test_an_interval_starts_one_run_for_each_time_by_itself(served):
    agent, name = shouting(), fresh("often")
    client = await served(App("test", agents=[agent]))
    await client.schedules.add(name, AgentStart(agent=agent.name, prompt="tick"), Timing(every=timedelta(seconds=1)))

    async def have_run() -> bool:
        return len([run async for run in client.runs(agent=agent.name, states=["completed"])]) >= 2

    await until(have_run, "two runs have ended")
    await client.schedules.remove(name)

    runs = [run.workflow_id async for run in client.runs(agent=agent.name)]
    assert len(set(runs)) == len(runs)


async def test_a_plan_is_started_with_its_input(served):
    shelf, app = Shelf(), App("test")
    put = shelf.declare(app)
    name = fresh("stock")

    async def stock(plan, item: int) -> str:
        return await plan.effect(put, item=item)

    app.plan(stock, name=name)
    client = await served(app)
    await client.schedules.add(name, PlanStart(plan=name, input=7), NEVER)

    workflow_id = await triggered(client, name)
    await until(lambda: shelf.put[7] == 1, "it is put on the shelf")

    assert await (await client.plan(workflow_id)).result() == "put 7"
    await client.schedules.remove(name)


async def test_a_batch_reads_its_folder_anew_each_time(served, tmp_path: Path):
    folder, name = tmp_path / "inbox", fresh("inbox")
    folder.mkdir()
    (folder / "one.txt").write_text("The first document is about lamps.")
    client = await served(App("test"))
    start = BatchStart(function="outlive.analyze", source=str(folder), model="offline:extractive", instruction="Sum up")
    await client.schedules.add(name, start, NEVER)

    async def batch_of(workflow_id: str):
        async def is_there() -> bool:
            return await client.find_batch(workflow_id.removeprefix("batch/")) is not None

        await until(is_there, f"{workflow_id} is there")
        return await (await client.batch(workflow_id)).result()

    first = await batch_of(await triggered(client, name))
    (folder / "two.txt").write_text("The second document is about desks.")
    second = await batch_of(await triggered(client, name))

    assert (first.record.document_count, second.record.document_count) == (1, 2)
    assert (second.progress.done, second.progress.reused) == (2, 1)
    await client.schedules.remove(name)


async def test_a_time_at_which_the_run_before_goes_on_is_skipped(served):
    name, entered, leave = fresh("slow"), asyncio.Event(), asyncio.Event()

    async def answer(messages, _):
        entered.set()
        await leave.wait()
        return ModelResponse(parts=[TextPart("done")])

    agent = Agent(FunctionModel(answer), name=fresh("slow"), capabilities=[Durable()])
    client = await served(App("test", agents=[agent]))
    await client.schedules.add(name, AgentStart(agent=agent.name, prompt="x"), Timing(every=timedelta(seconds=1)))

    async def was_skipped() -> bool:
        return (await client.schedules.get(name)).skipped >= 2

    await entered.wait()
    await until(was_skipped, "two times were skipped")
    with pytest.raises(ScheduleError, match="goes on, so that nothing was started"):
        await client.schedules.trigger(name)
    shown = await client.schedules.get(name)
    await client.schedules.remove(name)
    leave.set()

    assert shown.started == 1
    assert [run.state for run in shown.recent] == ["running"]


async def test_what_cannot_start_is_told_with_its_reason_and_a_schedule_may_pause_over_it(served, tmp_path: Path):
    name = fresh("broken")
    client = await served(App("test"))
    start = BatchStart(function="outlive.analyze", source=str(tmp_path / "not-there"), model="offline:extractive")
    await client.schedules.add(name, start, Timing(cron=["0 0 1 1 *"], pause_on_failure=True))

    await triggered(client, name)

    async def is_paused() -> bool:
        return (await client.schedules.get(name)).is_paused

    await until(is_paused, "the schedule has paused itself")
    (run,) = (await client.schedules.get(name)).recent
    assert run.state == "failed"
    assert "not-there" in run.problem
    await client.schedules.remove(name)


@pytest.mark.parametrize(("act", "status"), [("cancel", "CANCELED"), ("terminate", "TERMINATED")])
async def test_whoever_ends_what_a_schedule_has_started_cancels_the_run(served, act, status):
    entered, name = asyncio.Event(), fresh("cancelled")

    async def answer(messages, _):
        entered.set()
        await asyncio.Event().wait()
        raise AssertionError

    agent = Agent(FunctionModel(answer), name=fresh("waits"), capabilities=[Durable()])
    client = await served(App("test", agents=[agent]))
    await client.schedules.add(name, AgentStart(agent=agent.name, prompt="x"), NEVER)
    handle = await started(client, name)
    await entered.wait()

    temporal = await client.temporal()
    starter = temporal.get_workflow_handle(f"schedule/{handle.run_id}")
    await getattr(starter, act)()

    with pytest.raises(RunFailed, match="was cancelled"):
        await handle.result()

    async def is_over() -> bool:
        return (await starter.describe()).status is WorkflowExecutionStatus[status]

    await until(is_over, "its starter is over too")
    await client.schedules.remove(name)


async def test_the_same_schedule_again_changes_nothing_and_another_under_its_id_is_refused(served):
    agent, name = shouting(budget=Budget(calls=3)), fresh("twice")
    client = await served(App("test", agents=[agent]))
    start = AgentStart(agent=agent.name, prompt="x")

    assert await client.schedules.add(name, start, NEVER) is True
    assert await client.schedules.add(name, start, NEVER) is False
    with pytest.raises(ScheduleError, match="another schedule"):
        await client.schedules.add(name, AgentStart(agent=agent.name, prompt="y"), NEVER)
    await client.schedules.remove(name)


async def test_a_paused_schedule_starts_nothing_until_it_is_resumed(served):
    agent, name = shouting(), fresh("paused")
    client = await served(App("test", agents=[agent]))
    start = AgentStart(agent=agent.name, prompt="x")
    await client.schedules.add(name, start, Timing(every=timedelta(hours=1)), is_paused=True)

    before = await client.schedules.get(name)
    await client.schedules.resume(name)
    after = await client.schedules.get(name)
    await client.schedules.pause(name, note="holidays")

    async def is_listed() -> bool:
        return any(view.id == name and view.is_paused for view in await client.schedules.list())

    await until(is_listed, "the list has it as paused")
    assert (before.is_paused, after.is_paused) == (True, False)
    assert (await client.schedules.get(name)).note == "holidays"
    assert (await client.schedules.get(name)).start == start
    await client.schedules.remove(name)


@pytest.mark.parametrize("act", ["get", "pause", "resume", "trigger", "remove"])
async def test_a_schedule_that_is_not_there_is_named(served, act):
    client = await served(App("test"))

    with pytest.raises(ScheduleUnknown, match="no schedule 'nowhere'"):
        await getattr(client.schedules, act)("nowhere")


async def test_a_cron_expression_that_cannot_be_read_is_refused_with_the_engines_reason(served):
    client = await served(App("test"))

    with pytest.raises(ScheduleError, match="does not take"):
        await client.schedules.add(fresh("bad"), PlanStart(plan="x"), Timing(cron=["every day"]))


def test_a_run_is_called_by_its_schedule_and_time():
    assert scheduled_run_id("schedule/nightly-2026-05-31T02:00:00Z") == "nightly-2026-05-31T02:00:00Z"

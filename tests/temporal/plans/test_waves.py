"""Waves: each item once, a question where too many fail, and histories that stay small."""

from collections import Counter

import pytest

from engines import fresh
from outlive import App, FailedItem, Plan, Worked
from outlive.contracts.plans import PlanInput
from outlive.errors import RunFailed
from outlive.names import PLAN_WORKFLOW, plan_workflow_id
from outlive.plan_runs import PlanHandle
from temporal.plans.world import asked, run


class Table:
    """What is copied: counts each row, and refuses those that are bad.

    Attributes:
        calls: The rows of each call.
        undone: Rows of calls that were taken back.
    """

    def __init__(self) -> None:
        self.copied: Counter = Counter()
        self.calls: list[list] = []
        self.bad: set = set()
        self.undone: list[list] = []

    def declare(self, app: App):
        async def remove(undone) -> None:
            self.undone.append(undone.args["rows"])

        @app.effect(undo=remove)
        async def copy(rows: list[int], to: str = "new") -> Worked:
            self.calls.append(rows)
            bad = [row for row in rows if row in self.bad]
            self.copied.update((to, row) for row in rows if row not in self.bad)
            return Worked(failed=[FailedItem(item=row, reason=f"row {row} is bad") for row in bad])

        return copy


async def test_each_item_is_worked_off_once_in_waves_of_rising_size(served):
    app, table = App("waves"), Table()
    copy = table.declare(app)

    @app.plan(name=fresh("waves"))
    async def migrate(plan: Plan, count: int) -> int:
        result = await plan.waves(count, each=copy, arguments={"to": "there"}, chunk=30, concurrency=3)
        return result.done

    done = await run(await served(app), migrate, 1000)

    assert done == 1000
    assert table.copied == {("there", row): 1 for row in range(1000)}
    assert [len(call) for call in table.calls[:4]] == [10, 30, 30, 30]
    assert sum(len(call) for call in table.calls[1:4]) == 90


async def test_a_list_of_items_is_worked_off_too(served):
    app, table = App("listed"), Table()
    copy = table.declare(app)

    @app.plan(name=fresh("listed"))
    async def migrate(plan: Plan) -> int:
        return (await plan.waves([7, 3, 5], each=copy, shares=(0.5, 1), chunk=2)).done

    assert await run(await served(app), migrate) == 3
    assert table.calls == [[7, 3], [5]]


async def test_a_long_wave_continues_as_new_and_forgets_and_repeats_nothing(served):
    app, table = App("long"), Table()
    copy = table.declare(app)

    @app.plan(name=fresh("long"))
    async def migrate(plan: Plan, count: int) -> int:
        return (await plan.waves(count, each=copy, shares=(1,), chunk=1, concurrency=4)).done

    client = await served(app)
    temporal = await client.temporal()
    started = PlanInput(plan=next(iter(app.registry.plans)), argument=40, wave_calls=10)
    workflow_id = plan_workflow_id(started.plan, "r")
    await temporal.start_workflow(PLAN_WORKFLOW, started, id=workflow_id, task_queue=client.settings.task_queue)
    done = await PlanHandle(client, workflow_id).result()
    runs = [found async for found in temporal.list_workflows(f'WorkflowId = "{workflow_id}/waves-1"')]

    assert done == 40
    assert table.copied == {("new", row): 1 for row in range(40)}
    assert len(runs) == 4


def migration(app: App, table: Table, **options):
    copy = table.declare(app)

    @app.plan(name=fresh("bounded"))
    async def migrate(plan: Plan, count: int) -> list[int]:
        result = await plan.waves(count, each=copy, shares=(1,), chunk=10, concurrency=1, **options)
        return [result.done, len(result.failed)]

    return migrate


async def test_failures_within_the_bound_are_told_and_stop_nothing(served):
    app, table = App("within"), Table()
    table.bad = {3, 70}

    assert await run(await served(app), migration(app, table), 100) == [98, 2]


@pytest.mark.parametrize(
    ("choice", "is_mended", "output", "calls"),
    [("retry", True, [100, 0], 10), ("go_on", False, [97, 3], 10)],
)
async def test_a_wave_that_fails_too_often_stops_and_asks(served, choice, is_mended, output, calls):
    app, table = App("bounded"), Table()
    table.bad = {1, 2, 3}
    handle = await (await served(app)).start_plan(migration(app, table), 100)
    question = await asked(handle)
    begun_before = len(table.calls)
    table.bad = set() if is_mended else table.bad
    await handle.decide(choice, by="ada")

    assert await handle.result() == output
    assert begun_before == 1
    assert "3 of 100 have failed, 7 are done, 90 not begun" in question.reason
    assert question.about["failed"][0] == {"item": 1, "reason": "row 1 is bad"}
    assert max(table.copied.values()) == 1
    assert len(table.calls) == 1 + calls + (0 if choice == "retry" else -1)


async def test_what_a_failed_wave_did_is_taken_back_when_a_person_says_so(served):
    app, table = App("taken back"), Table()
    table.bad = {11, 12, 13}
    handle = await (await served(app)).start_plan(migration(app, table), 100)
    await asked(handle)
    await handle.decide("undo", by="ada")
    with pytest.raises(RunFailed, match="Undone by decision"):
        await handle.result()

    assert table.undone == [list(range(10, 20)), list(range(10))]


async def test_a_call_that_raises_for_good_fails_all_its_items(served):
    app, bad = App("raising"), {0}

    @app.effect()
    async def copy(rows: list[int]) -> None:
        if bad & set(rows):
            raise OSError("no connection")

    @app.plan(name=fresh("raising"))
    async def migrate(plan: Plan) -> list[str]:
        result = await plan.waves(4, each=copy, shares=(1,), chunk=2, failure_bound=0.5)
        return [f"{one.item}: {one.reason}" for one in result.failed]

    said = await run(await served(app), migrate)

    assert said == [f"{item}: The effect 'copy' failed: OSError: no connection" for item in (0, 1)]

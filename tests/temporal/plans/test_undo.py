"""`outlive undo`: the effects of a run, taken back once, the latest first, its children's included."""

import asyncio

import pytest
from pydantic_ai import Agent

from engines import fresh, until
from outlive import App, Durable, Plan, SubAgents, UndoneEffect, effect
from outlive.engine.run_health import run_exists
from outlive.errors import RunError, RunFailed
from outlive.names import HAND_OFFS_QUERY, undo_workflow_id
from outlive.plan_runs import preview_undo
from temporal.desk.people import calling
from temporal.plans.world import Shelf, asked, run


async def filled(served, count: int = 3):
    """A plan that has put things on a shelf, and its client."""
    app, shelf = App("shelf"), Shelf()
    put = shelf.declare(app)

    @app.effect()
    async def look(item: int) -> int:
        return item

    @app.plan(name=fresh("filled"))
    async def fill(plan: Plan) -> None:
        for item in range(count):
            await plan.effect(put, item=item)
            await plan.effect(look, item=item)

    client = await served(app)
    handle = await client.start_plan(fill)
    await handle.result()
    return client, handle, shelf


async def test_each_effect_is_taken_back_once_the_latest_first(served):
    client, handle, shelf = await filled(served)
    before = await preview_undo(client, handle.workflow_id)
    first = await (await client.undo(handle.workflow_id)).result()
    again = await (await client.undo(handle.workflow_id)).result()
    after = await preview_undo(client, handle.workflow_id)

    assert [record.name for record in before.undoable] == ["put"] * 3
    assert [record.name for record in before.left] == ["look"] * 3
    assert (first.undone, first.left, again.undone) == (3, 3, 0)
    assert shelf.taken == [(2, "put 2"), (1, "put 1"), (0, "put 0")]
    assert (after.undoable, after.undone) == ([], 3)


async def test_a_run_that_has_not_ended_is_not_undone(served):
    app = App("waiting")

    @app.plan(name=fresh("waiting"))
    async def wait(plan: Plan) -> None:
        await plan.hand_off("When?")

    client = await served(app)
    handle = await client.start_plan(wait)
    with pytest.raises(RunError, match="has not ended"):
        await client.undo(handle.workflow_id)
    await asked(handle)
    await handle.decide("answer", value="now")
    await handle.result()


@pytest.mark.parametrize(
    ("choice", "taken", "counts"),
    [("retry", [2, 1, 0], (3, 0)), ("skip", [2, 0], (2, 1))],
)
async def test_an_undo_that_fails_asks_a_person(served, choice, taken, counts):
    client, handle, shelf = await filled(served)
    shelf.errors["undo", 1] = [OSError("stuck")] * 3
    undoing = await client.undo(handle.workflow_id)
    question = await asked(undoing)
    await undoing.decide(choice, by="ada")
    outcome = await undoing.result()

    assert question.choices == ["retry", "skip", "stop"]
    assert "OSError: stuck" in question.reason
    assert [item for item, _ in shelf.taken] == taken
    assert (outcome.undone, len(outcome.skipped)) == counts


async def test_an_undoing_that_a_person_stops_goes_on_when_it_is_asked_for_again(served):
    client, handle, shelf = await filled(served)
    shelf.errors["undo", 1] = [OSError("stuck")] * 3
    undoing = await client.undo(handle.workflow_id)
    await asked(undoing)
    await undoing.decide("stop", by="ada")
    with pytest.raises(RunFailed, match="Stopped by decision"):
        await undoing.result()
    taken_before = [item for item, _ in shelf.taken]
    outcome = await (await client.undo(handle.workflow_id)).result()

    assert taken_before == [2]
    assert outcome.undone == 2
    assert [item for item, _ in shelf.taken] == [2, 1, 0]


async def test_what_an_agent_and_those_it_asked_have_done_is_taken_back(served):
    taken = []

    async def take_back(undone: UndoneEffect) -> None:
        taken.append((undone.args["what"], undone.result))

    @effect("once", undo=take_back)
    async def buy(what: str) -> str:
        return f"bought {what}"

    buyer = Agent(calling(("buy", {"what": "lamp"})), name=fresh("buyer"), capabilities=[Durable()])
    buyer.tool_plain(buy)
    asking = (f"ask_{buyer.name}", {"task": "Buy a lamp."})
    model = calling(("buy", {"what": "desk"}), asking, ("buy", {"what": "chair"}))
    chief = Agent(model, name=fresh("chief"), capabilities=[Durable(), SubAgents(agents=[buyer])])
    chief.tool_plain(buy)
    client = await served(App("office", agents=[chief]))
    handle = await client.start_run(chief, "Furnish it.", run_id="r")
    await handle.result()
    outcome = await (await client.undo(handle.workflow_id)).result()

    assert taken == [("chair", "bought chair"), ("lamp", "bought lamp"), ("desk", "bought desk")]
    assert outcome.undone == 3


async def test_an_agent_that_a_plan_let_work_is_undone_with_it(served):
    taken = []

    async def take_back(undone: UndoneEffect) -> None:
        taken.append(undone.args["what"])

    @effect(undo=take_back)
    async def buy(what: str) -> str:
        return f"bought {what}"

    buyer = Agent(calling(("buy", {"what": "lamp"})), name=fresh("planned"), capabilities=[Durable()])
    buyer.tool_plain(buy)
    app = App("planned", agents=[buyer])

    @app.plan(name=fresh("furnish"))
    async def furnish(plan: Plan) -> str:
        said = await plan.agent(buyer, "Buy a lamp.")
        outcome = await plan.undo()
        return f"{said} {outcome.undone}"

    assert await run(await served(app), furnish) == '["bought lamp"] 1'
    assert taken == ["lamp"]


async def test_a_plan_is_undone_only_when_nothing_of_it_is_in_flight(served):
    app, taken, may_end = App("in flight"), [], asyncio.Event()

    async def take_back(undone: UndoneEffect) -> None:
        taken.append(undone.args["item"])

    @app.effect(undo=take_back)
    async def put_slowly(item: int) -> None:
        await may_end.wait()

    @app.plan(name=fresh("in-flight"))
    async def fill(plan: Plan) -> int:
        putting = asyncio.create_task(plan.effect(put_slowly, item=0))
        await plan.log("It is to be undone")
        outcome = await plan.undo()
        await putting
        return outcome.undone

    client = await served(app)
    temporal = await client.temporal()
    handle = await client.start_plan(fill)
    await until(lambda: _has(handle, logged=1, effects=1), "it is to be undone, and an effect is being made")
    await temporal.get_workflow_handle(handle.workflow_id).query(HAND_OFFS_QUERY)  # whatever it asked for is there now
    was_begun = await run_exists(temporal, undo_workflow_id(handle.workflow_id))
    may_end.set()

    assert await handle.result() == 1
    assert not was_begun
    assert taken == [0]


async def _has(handle, *, logged: int, effects: int) -> bool:
    return (len(await handle.logged()), len(await handle.effects())) == (logged, effects)


@pytest.mark.parametrize("in_a_wave", [False, True])
async def test_a_cancelled_plan_lets_its_effects_in_flight_end_so_that_they_can_be_taken_back(served, in_a_wave):
    app, begun, may_end, taken = App("cancelled"), [], asyncio.Event(), []

    async def take_back(undone: UndoneEffect) -> None:
        taken.append(undone.args["rows"])

    @app.effect(undo=take_back)
    async def copy(rows: list[int]) -> None:
        begun.append(rows)
        await may_end.wait()

    @app.plan(name=fresh("cancelled"))
    async def migrate(plan: Plan) -> None:
        if in_a_wave:
            await plan.waves(10, each=copy, chunk=2, concurrency=1, shares=(1,))
        await plan.effect(copy, rows=[0, 1])
        await plan.effect(copy, rows=[2, 3])

    client = await served(app)
    handle = await client.start_plan(migrate)
    await until(lambda: begun == [[0, 1]], "an effect is being made")
    await handle.cancel()

    async def is_asked_to_end() -> bool:
        history = (await client.temporal()).get_workflow_handle(handle.workflow_id).fetch_history_events()
        return any([event.HasField("workflow_execution_cancel_requested_event_attributes") async for event in history])

    await until(is_asked_to_end, "the plan has heard of it")
    may_end.set()
    with pytest.raises(RunFailed, match="cancelled"):
        await handle.result()
    outcome = await (await client.undo(handle.workflow_id)).result()

    assert begun == [[0, 1]]
    assert (taken, outcome.undone, outcome.left) == ([[0, 1]], 1, 0)

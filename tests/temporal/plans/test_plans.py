"""Plans: their effects happen once, are typed, wait for people, and fail as they are declared to."""

from decimal import Decimal

import pytest
from pydantic import BaseModel

from engines import fresh, until
from outlive import App, EffectFailed, Plan, PlanFailed, idempotency_key, tool_options
from outlive.errors import RunError, RunFailed
from outlive.ledger.effects import Settling
from outlive.settling import settle_effect
from temporal.plans.world import Shelf, asked, run


class Order(BaseModel):
    item: str
    price: Decimal


class Receipt(BaseModel):
    said: str
    total: Decimal


async def test_input_arguments_results_and_output_keep_their_types(served):
    app, seen = App("typed"), []

    @app.effect()
    def pay(order: Order, times: int = 1) -> Receipt:
        seen.append(order)
        return Receipt(said=order.item, total=order.price * times)

    @app.plan(name=fresh("typed"))
    async def buy(plan: Plan, order: Order) -> Receipt:
        receipt = await plan.effect(pay, order=order, times=2)
        assert isinstance(receipt, Receipt)
        return receipt

    client = await served(app)
    handle = await client.start_plan(buy, {"item": "lamp", "price": "1.50"}, run_id="r")

    assert await handle.result() == Receipt(said="lamp", total=Decimal("3.00"))
    assert seen == [Order(item="lamp", price=Decimal("1.50"))]
    with pytest.raises(RunError, match="does not fit"):
        await client.start_plan(buy, {"item": "lamp"})
    with pytest.raises(RunError, match="stands for another request"):
        await client.start_plan(buy, Order(item="desk", price=Decimal(2)), run_id="r")


async def test_an_effect_that_fails_for_good_raises_where_it_was_asked_for(served):
    app, shelf = App("failing"), Shelf()
    put = shelf.declare(app)
    shelf.errors[1] = [OSError("full")] * 3

    @app.plan(name=fresh("failing"))
    async def fill(plan: Plan) -> list[str]:
        try:
            said = await plan.effect(put, item=1)
        except EffectFailed as error:
            said = f"{error.effect}: {error}"
        return [said, await plan.effect(put, item=2)]

    said = await run(await served(app), fill)

    assert said == ["put: The effect 'put' failed: OSError: full", "put 2"]
    assert shelf.put == {2: 1}
    assert len(shelf.keys[1]) == 1


async def test_a_parked_effect_is_made_again_under_its_key_when_a_person_says_so(served):
    app, shelf = App("parked"), Shelf()

    @app.effect()
    @tool_options(attempts=1, on_failure="park")
    async def put(item: int) -> str:
        shelf.keys.setdefault(item, set()).add(idempotency_key())
        shelf.take_error(item)
        shelf.put[item] += 1
        return "done"

    shelf.errors[1] = [OSError("full")]

    @app.plan(name=fresh("parked"))
    async def fill(plan: Plan) -> str:
        return await plan.effect(put, item=1)

    handle = await (await served(app)).start_plan(fill)
    question = await asked(handle)
    await handle.decide("retry", by="ada")

    assert await handle.result() == "done"
    assert question.kind == "tool_failed"
    assert len(shelf.keys[1]) == 1


@pytest.mark.parametrize(
    ("choice", "value", "output", "done"), [("done", "put by hand", "put by hand", 0), ("retry", None, "put 1", 1)]
)
async def test_what_a_person_says_of_an_unknown_outcome_is_what_the_plan_goes_on_with(
    served, choice, value, output, done
):
    app, shelf = App("unknown"), Shelf()
    put = shelf.declare(app, policy="once")
    shelf.errors[1] = [TimeoutError("no answer")]

    @app.plan(name=fresh("unknown"))
    async def fill(plan: Plan) -> str:
        return await plan.effect(put, item=1)

    handle = await (await served(app)).start_plan(fill)
    question = await asked(handle)
    await handle.decide(choice, value=value, by="ada")

    assert question.kind == "unknown"
    assert await handle.result() == output
    assert shelf.put[1] == done


async def test_a_person_answers_with_a_value_that_fits(served):
    app = App("asking")

    @app.plan(name=fresh("asking"))
    async def ask(plan: Plan) -> str:
        decision = await plan.hand_off("How many?", choices=["answer", "none"], value=int, about={"of": "lamps"})
        return f"{decision.choice} {decision.value} by {decision.by}"

    handle = await (await served(app)).start_plan(ask)
    question = await asked(handle)
    with pytest.raises(RunError, match="does not fit"):
        await handle.decide("answer", value="many")
    await handle.decide("answer", value=7, by="ada")

    assert (question.reason, question.about["of"], question.choices) == ("How many?", "lamps", ["answer", "none"])
    assert await handle.result() == "answer 7 by ada"


async def test_an_effect_that_wants_approval_is_not_made_before_it(served):
    app, shelf = App("approving"), Shelf()
    put = shelf.declare(app, approve=lambda item: item > 1)

    @app.plan(name=fresh("approving"))
    async def fill(plan: Plan) -> str:
        await plan.effect(put, item=1)
        try:
            return await plan.effect(put, item=2)
        except EffectFailed as error:
            return str(error)

    handle = await (await served(app)).start_plan(fill)
    question = await asked(handle)
    await handle.decide("deny", by="ada")

    assert question.about["args"] == {"item": 2}
    assert await handle.result() == "ada did not allow 'put'."
    assert shelf.put == {1: 1}


async def test_a_failed_plan_that_is_declared_so_is_undone_in_reverse_order(served):
    app, shelf = App("undoing"), Shelf()
    put = shelf.declare(app)

    @app.plan(name=fresh("undoing"), on_failure="undo")
    async def fill(plan: Plan) -> None:
        for item in range(3):
            await plan.effect(put, item=item)
        raise PlanFailed("the shelf leans")

    handle = await (await served(app)).start_plan(fill)
    with pytest.raises(RunFailed, match="the shelf leans") as failed:
        await handle.result()

    assert failed.value.cause_type == "PlanFailed"
    assert shelf.taken == [(2, "put 2"), (1, "put 1"), (0, "put 0")]


@pytest.mark.parametrize(("choice", "taken"), [("undo", [(0, "put 0")]), ("leave", [])])
async def test_a_failed_plan_asks_whether_it_is_undone(served, choice, taken):
    app, shelf = App("leaving"), Shelf()
    put = shelf.declare(app)
    shelf.errors[1] = [OSError("full")] * 3

    @app.plan(name=fresh("leaving"))
    async def fill(plan: Plan) -> None:
        await plan.effect(put, item=0)
        await plan.effect(put, item=1)

    handle = await (await served(app)).start_plan(fill)
    question = await asked(handle)
    await handle.decide(choice, by="ada")
    with pytest.raises(RunFailed, match="OSError: full"):
        await handle.result()

    assert question.choices == ["undo", "leave"]
    assert shelf.taken == taken


async def test_a_mistake_in_a_plans_code_leaves_it_stuck_until_it_is_mended(served):
    app, is_mended = App("mistaken"), []

    @app.plan(name=fresh("mistaken"))
    async def compute(plan: Plan) -> str:
        return "mended" if is_mended else str(1 / 0)

    handle = await (await served(app)).start_plan(compute)
    await until(lambda: _is(handle, "stuck"), "it is stuck")
    is_mended.append(True)

    assert await handle.result() == "mended"


async def _is(handle, state: str) -> bool:
    return (await handle.status()).state == state


async def test_what_a_plan_logs_is_told_to_its_readers(served):
    app = App("telling")

    @app.plan(name=fresh("telling"))
    async def tell(plan: Plan) -> str:
        await plan.log("Half of it", rows=7)
        await plan.sleep(0.01)
        return plan.id

    handle = await (await served(app)).start_plan(tell, run_id="told")
    events = [event async for event in handle.events()]

    assert await handle.result() == handle.workflow_id
    assert [(event.kind, event.data.get("text")) for event in events] == [
        ("run_started", None),
        ("logged", "Half of it"),
        ("run_ended", None),
    ]
    assert events[1].data["rows"] == 7


async def test_an_effect_of_a_plan_and_an_undoing_are_settled_through_the_ledger(served):
    app, shelf = App("settling"), Shelf()
    put = shelf.declare(app, policy="once")
    shelf.errors = {1: [TimeoutError("no answer")], ("undo", 1): [OSError("stuck")] * 3}

    @app.plan(name=fresh("settling"))
    async def fill(plan: Plan) -> str:
        return await plan.effect(put, item=1)

    client = await served(app)
    handle = await client.start_plan(fill)
    question = await asked(handle)
    await settle_effect(client, question.about["effect_key"], Settling.DONE, value="put by hand", by="ada")
    said = await handle.result()
    undoing = await client.undo(handle.workflow_id)
    failed = await asked(undoing)
    await settle_effect(client, failed.about["effect_key"], Settling.FAILED, by="ada")
    outcome = await undoing.result()

    assert said == "put by hand"
    assert failed.about["undoes"] == question.about["effect_key"]
    assert (outcome.undone, outcome.skipped) == (0, [question.about["effect_key"]])

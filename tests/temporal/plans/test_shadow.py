"""A rehearsal records every effect that it would have, and has none."""

from engines import fresh
from outlive import App, Plan
from outlive.ledger.effects import EffectState
from temporal.plans.world import Shelf, run


async def test_effects_are_recorded_and_not_made(served):
    app, shelf, waited = App("rehearsing"), Shelf(), []
    put = shelf.declare(app, shadow=lambda item: f"would put {item}")

    @app.effect("once")
    async def count(rows: list[int]) -> int:
        waited.append(rows)
        return len(rows)

    @app.plan(name=fresh("rehearsing"))
    async def fill(plan: Plan) -> list:
        said = await plan.effect(put, item=1)
        decision = await plan.hand_off("Is it right?", choices=["yes", "no"])
        await plan.sleep(1e9)
        await plan.waves(5, each=count, chunk=3, shares=(1,))
        await plan.undo()
        return [said, decision.choice, await plan.effect(count, rows=[9]), plan.is_shadow]

    client = await served(app)
    handle = await client.start_plan(fill, shadow=True)
    said = await handle.result()
    recorded = await handle.effects()

    assert said == ["would put 1", "yes", None, True]
    assert (shelf.put, waited) == ({}, [])
    assert [(found.name, found.state) for found in recorded] == [
        ("put", EffectState.SHADOWED),
        ("count", EffectState.SHADOWED),
        ("count", EffectState.SHADOWED),
        ("count", EffectState.SHADOWED),
    ]
    assert await handle.counts() == {("put", "shadowed"): 1, ("count", "shadowed"): 3}


async def test_a_rehearsal_and_the_real_thing_do_not_know_each_other(served):
    app, shelf = App("real"), Shelf()
    put = shelf.declare(app)

    @app.plan(name=fresh("real"))
    async def fill(plan: Plan) -> str | None:
        return await plan.effect(put, item=1)

    client = await served(app)
    rehearsed = await run(client, fill, run_id="shadow", shadow=True)
    done = await run(client, fill, run_id="real")

    assert (rehearsed, done) == (None, "put 1")
    assert shelf.put == {1: 1}

"""An effect that takes longer than a worker may be silent is made once."""

import asyncio

from engines import fresh
from outlive import App, Plan, tool_options

CALLS: list[str] = []


async def test_an_effect_that_outlasts_its_heartbeat_timeout_is_made_once(served):
    app = App(fresh("slow"))

    @app.effect("idempotent")
    @tool_options(heartbeat_timeout=2, attempts=1)
    async def act(name: str) -> str:
        CALLS.append(name)
        await asyncio.sleep(5)
        return f"did {name}"

    @app.plan
    async def slow_plan(plan: Plan, name: str) -> str:
        return str(await plan.effect(act, name=name))

    client = await served(app)
    handle = await client.start_plan("slow_plan", "it")
    assert await handle.result() == "did it"
    assert CALLS == ["it"]

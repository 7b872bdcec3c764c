"""`outlive check`: runs in flight, replayed by the code that is to serve them next."""

import asyncio
import json
from typing import Any

import pytest
from pydantic_ai import Agent

from engines import fresh, until
from outlive import App, Durable, Plan
from outlive.cli.main import main
from outlive.engine.connection import connect
from outlive.runs import RunHandle
from outlive.settings import Settings
from outlive.worker.replaying import Replayed, replay_runs
from temporal.agents.conftest import served, serving, settings
from temporal.desk.people import calling

__all__ = ["served", "settings"]


def built(name: str, *, tool: str = "pay", asks_first: bool = False) -> App:
    """An app whose agent asks a person before it calls its tool, and whose plan asks one too."""
    app = App("checked", agents=[paying(name, tool)])

    @app.effect()
    async def look() -> str:
        return "seen"

    @app.plan(name=name)
    async def wait(plan: Plan) -> None:
        if asks_first:
            await plan.hand_off("Now?", choices=["yes"])
        await plan.effect(look)
        await plan.hand_off("When?", choices=["now"])

    return app


def paying(name: str, tool: str) -> Agent:
    agent = Agent(calling((tool, {})), name=name, capabilities=[Durable()])

    async def called() -> str:
        return "done"

    agent.tool_plain(requires_approval=True, name="look")(called)
    agent.tool_plain(requires_approval=True, name="pay")(called)
    return agent


async def waits(handle: RunHandle[Any] | Any) -> None:
    async def asks() -> bool:
        return bool((await handle.status()).questions)

    await until(asks, "a person is asked")


async def in_flight(name: str, settings: Settings) -> None:
    """Leave a run of the agent and one of the plan that wait for a person, and no worker."""
    app = built(name)
    async with serving(app, settings) as client:
        await waits(await client.start_run(name, "Do", run_id="r"))
        await waits(await client.start_plan(name, run_id="r"))


async def replayed(app: App, settings: Settings, **options: int) -> dict[str, str | None]:
    found: list[Replayed] = [one async for one in replay_runs(await connect(settings), app, settings, **options)]
    return {one.workflow_id.partition("/")[0]: one.fault for one in found}


async def test_code_that_goes_the_same_way_serves_the_runs_in_flight(settings: Settings):
    name = fresh("checked")
    await in_flight(name, settings)

    assert await replayed(built(name), settings) == {"agent": None, "plan": None}


async def test_a_plan_that_would_go_another_way_is_named_and_nothing_else(settings: Settings):
    name = fresh("checked")
    await in_flight(name, settings)
    faults = await replayed(built(name, asks_first=True), settings)

    assert faults["agent"] is None
    assert "where the history of the run has none" in (faults["plan"] or "")


async def test_runs_of_what_the_code_no_longer_has_are_named(settings: Settings):
    name = fresh("checked")
    await in_flight(name, settings)
    faults = await replayed(App("other", agents=[paying(fresh("other"), "pay")]), settings)

    assert faults["agent"] is not None
    assert faults["plan"] == (f"This worker serves no plan {name!r}, only: none. Run a worker whose app declares it.")


async def test_runs_that_have_ended_are_replayed_on_request(settings: Settings):
    name = fresh("checked")
    async with serving(built(name), settings) as client:
        handle = await client.start_plan(name, run_id="ended")
        await waits(handle)
        await handle.decide("now", by="ada")
        await handle.result()

    assert await replayed(built(name), settings) == {}
    assert await replayed(built(name), settings, ended=5) == {"plan": None}


async def test_the_command_names_the_runs_and_fails(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    name = fresh("checked")
    await in_flight(name, settings)
    monkeypatch.setenv("OUTLIVE_HOME", str(settings.home))
    monkeypatch.setenv("OUTLIVE_TASK_QUEUE", settings.task_queue)
    shown = [await command(arguments, capsys) for arguments in (["check"], ["check", "--json"])]

    assert [status for status, _ in shown] == [1, 1]
    assert "2 of 2 runs would be stuck with this code" in shown[0][1]
    assert {one["workflow_id"] for one in json.loads(shown[1][1])} == {f"agent/{name}/r", f"plan/{name}/r"}


async def command(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    """Run a command that has an event loop of its own; its exit status, and what it wrote."""
    with pytest.raises(SystemExit) as ended:
        await asyncio.to_thread(main, arguments)
    return int(ended.value.code or 0), capsys.readouterr().out

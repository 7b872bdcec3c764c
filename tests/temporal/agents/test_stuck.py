"""Runs that cannot go on with the code as it is: what is said of them."""

import asyncio
from dataclasses import replace

import pytest
from pydantic_ai import Agent

from conftest import RunningEngine
from engines import fresh, until
from outlive import App, Durable
from outlive.cli.checks import examine
from outlive.settings import Settings
from temporal.agents.conftest import serving
from temporal.agents.test_runs import calling


@pytest.fixture
def own(engine: RunningEngine, task_queue: str) -> Settings:
    """Settings of the project that the session's engine belongs to: its workers are all on this machine."""
    return replace(engine.settings, task_queue=task_queue, drain_timeout=0.1)


def looker(name: str, *tools: str, seconds: float = 60) -> App:
    """An app of an agent that calls `look`, which takes so long."""
    agent = Agent(calling(3), name=name, capabilities=[Durable()])
    for tool in tools:

        async def look(number: int) -> str:
            await asyncio.sleep(seconds)
            return f"saw {number}"

        agent.tool_plain(look, name=tool)
    return App("test", agents=[agent])


async def begin(name: str, settings: Settings) -> None:
    """Start a run, and stop its worker while the run's tool is at work."""
    async with serving(looker(name, "look"), settings) as client:
        handle = await client.start_run(name, "Look", run_id="one")
        await until(lambda: _at_work(handle), "the tool is at work")


async def _at_work(handle):
    return "tool_started" in [event.kind for event in await handle._client.streams.read(handle.workflow_id)]


async def problem(client, name):
    """What is said of a run that is stuck."""
    handle = await client.run("one", agent=name)
    status = None

    async def is_stuck() -> bool:
        nonlocal status
        status = await handle.status()
        return status.state == "stuck" and "No worker polls" not in (status.problem or "")  # it is still starting

    await until(is_stuck, "the run is stuck")
    return status


async def end(client, name):
    """End a run that no worker will."""
    await (await client.temporal()).get_workflow_handle(f"agent/{name}/one").terminate()


@pytest.mark.embedded
async def test_a_run_whose_agent_was_renamed_says_that_no_worker_serves_it(own):
    name, other = fresh("renamed"), fresh("new-name")
    await begin(name, own)
    async with serving(looker(other, "look"), own) as client:
        status = await problem(client, name)
        found = [finding for finding in await examine(own) if finding.name == "agents"]
        await end(client, name)

    assert f"No worker serves agent {name!r} (they serve {other!r})." in status.problem
    assert "App(agents=[...])" in status.problem
    assert f"{name}/one" in found[0].found


async def test_a_run_that_workers_elsewhere_refuse_says_so_in_few_words(settings):
    name = fresh("renamed-afar")
    await begin(name, replace(settings, drain_timeout=0.1))
    async with serving(looker(fresh("new-name"), "look"), settings) as client:
        status = await problem(client, name)
        await end(client, name)

    assert status.problem.startswith(f"No worker serves agent {name!r}.")
    assert "is not registered" not in str(status)


@pytest.mark.embedded
async def test_a_run_whose_tool_is_gone_names_it_and_goes_on_once_it_is_back(own):
    name = fresh("without-tool")
    await begin(name, own)
    async with serving(looker(name, "listen"), own) as client:
        status = await problem(client, name)
    async with serving(looker(name, "look", seconds=0), own) as client:
        result = await (await client.run("one", agent=name)).result()

    assert result.output == "looked 3 times"
    assert f"has called a tool that agent {name!r} no longer has: 'look'. Put it back" in status.problem


async def test_a_run_whose_tools_are_not_known_from_here_names_those_that_it_called(settings):
    name = fresh("without-tool-afar")
    await begin(name, replace(settings, drain_timeout=0.1))
    async with serving(looker(name, "listen"), settings) as client:
        status = await problem(client, name)
        await end(client, name)

    assert "it made a call of a tool where the code now makes a call of the model" in status.problem
    assert "Tools that it has called: 'look'." in status.problem

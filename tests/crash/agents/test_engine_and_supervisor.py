"""The engine dies under an agent's run, with its worker, and with everything else."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from crash.agents.projects import AgentProject
from crash.processes import children, kill_all
from engines import is_running, until
from outlive.engine.home import Home
from outlive.engine.server import EngineServer

pytestmark = pytest.mark.embedded

TESTS = Path(__file__).parents[2]


@pytest.mark.parametrize("kind", ["model", "tool"])
async def test_an_engine_killed_while_a_call_is_out_costs_no_call(own_project: AgentProject, kind: str):
    project, home = own_project, Home(own_project.settings.home)
    project.outside.hold(kind)
    async with home.own(), EngineServer(home, project.settings) as engine:
        handle = await project.begin("actor", "Act 3 times.", "engine")
        worker = project.start_worker()
        await until(lambda: project.outside.in_flight(kind) == 1, "a call is in flight")
        killed = engine.pid
        os.kill(killed, signal.SIGKILL)
        await until(lambda: engine.pid not in {killed, None}, "another engine")
        await until(lambda: _answers(handle), "it answers")
        project.outside.release()
        result = await project.ended(handle)
        await worker.terminate()

    assert result.output == "acted 3 times; heard 1"
    assert project.outside.repeated("engine") == {}
    assert len(project.outside.of("engine")) == 7


async def test_an_engine_killed_between_calls_again_and_again_costs_no_call(own_project: AgentProject):
    project, home = own_project, Home(own_project.settings.home)
    async with home.own(), EngineServer(home, project.settings) as engine:
        handle = await project.begin("actor", "Act 12 times.", "engines")
        worker = project.start_worker()
        killed = set()
        for count in (4, 11, 18):
            await until(lambda least=count: len(project.outside.of("engines")) >= least, f"{count} calls")
            killed.add(engine.pid)
            os.kill(engine.pid, signal.SIGKILL)
            await until(lambda: engine.pid not in {*killed, None}, "another engine")
        result = await project.ended(handle)
        await worker.terminate()

    assert len(killed) == 3
    assert result.output == "acted 12 times; heard 1"
    assert project.outside.repeated("engines") == {}


async def test_engine_and_worker_killed_at_once_repeat_only_the_call_in_flight(own_project: AgentProject):
    project, home = own_project, Home(own_project.settings.home)
    async with home.own(), EngineServer(home, project.settings) as engine:
        handle = await project.begin("actor", "Act 3 times.", "both")
        worker = project.start_worker()
        await until(lambda: len(project.outside.of("both", "tool")) == 1, "a tool was called")
        project.outside.hold("model")
        await until(lambda: project.outside.in_flight("model") == 1, "a call is in flight")
        place = project.outside.of("both")[-1].place
        kill_all({engine.pid, worker.pid})
        await worker.death()
        project.outside.release()
        worker = project.start_worker()
        result = await project.ended(handle)
        await worker.terminate()

    assert result.output == "acted 3 times; heard 1"
    assert project.outside.repeated("both") == {("model", place): 2}


async def test_everything_killed_at_once_and_outlive_up_again_goes_on(own_project: AgentProject):
    project, home = own_project, Home(own_project.settings.home)
    project.outside.hold("tool")
    first = await _up(project, "first")
    await until(lambda: home.live_state() is not None, "the engine is there")
    handle = await project.begin("actor", "Act 3 times.", "up")
    await until(lambda: project.outside.in_flight("tool") == 1, "a tool is at work")
    below = children(first.pid)
    kill_all({first.pid, home.live_state().engine_pid, *below})
    await first.wait()
    await until(lambda: not any(map(is_running, below)), "all are gone")
    project.outside.release()
    second = await _up(project, "second")
    result = await project.ended(handle)
    second.terminate()
    status = await asyncio.wait_for(second.wait(), 60.0)

    assert len(below) >= 2
    assert result.output == "acted 3 times; heard 1"
    assert project.outside.repeated("up") == {("tool", 0): 2}
    assert status == 0


async def _up(project: AgentProject, name: str) -> asyncio.subprocess.Process:
    with (project.folder / f"{name}.log").open("wb") as output:
        return await asyncio.create_subprocess_exec(
            *[sys.executable, "-m", "outlive.cli.main", "up", "crash.agents.apps:app"],
            env=project.environment,
            cwd=TESTS,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


async def _answers(handle) -> bool:
    return (await handle.status()).workflow_status == "RUNNING"

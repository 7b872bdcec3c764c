"""Sessions with MCP servers are opened once per worker process, and anew when they break. The servers are real."""

import asyncio
import os
import signal
import socket
import sys
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path

import pytest
from fastmcp.client.transports import StdioTransport
from fastmcp.exceptions import ToolError
from pydantic_ai import Agent, ModelRetry, RunContext, RunUsage
from pydantic_ai.capabilities import MCP
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models.test import TestModel
from pydantic_ai.toolsets import CombinedToolset, FunctionToolset, WrapperToolset

from engines import DEADLINE
from outlive.agents.mcp_pool import McpPool, mcp_activities, mcp_toolsets
from outlive.errors import McpSessionLost, McpUnavailable

SERVER = Path(__file__).with_name("mcp_server.py")


@pytest.fixture
def spawns(tmp_path):
    return tmp_path / "spawns"


@pytest.fixture
def toolset(spawns):
    return stdio(spawns)


def stdio(spawns, **options):
    return MCPToolset(StdioTransport(command=sys.executable, args=[str(SERVER), str(spawns)]), id="tiny", **options)


def spawned(spawns):
    return [int(line) for line in spawns.read_text().split()] if spawns.exists() else []


async def call(toolset, name, **arguments):
    """Call a tool as Pydantic AI's activity does: the toolset is entered and left within the call."""
    ctx = RunContext(deps=None, model=TestModel(), usage=RunUsage(), tool_name=name)
    tool = (await toolset.get_tools(ctx))[name]
    return await toolset.call_tool(name, arguments, ctx, tool)


async def until(condition):
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - other processes have no event for what they do
            await asyncio.sleep(0.01)


def is_alive(pid):
    with suppress(ProcessLookupError):
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


# -- one session for many calls


async def test_many_calls_share_one_server_process(toolset, spawns):
    async with McpPool() as pool:
        pids = set()
        for _ in range(5):
            async with pool.hold(toolset):
                pids.add(await call(toolset, "pid"))

    assert len(pids) == 1
    assert spawned(spawns) == list(pids)


async def test_first_uses_at_the_same_time_open_one_session(toolset, spawns):
    async def use(pool):
        async with pool.hold(toolset):
            return await call(toolset, "pid")

    async with McpPool() as pool:
        pids = await asyncio.gather(*(use(pool) for _ in range(8)))

    assert len(set(pids)) == 1
    assert len(spawned(spawns)) == 1


async def test_a_session_stays_open_between_uses(toolset):
    async with McpPool() as pool:
        async with pool.hold(toolset):
            pass

        assert toolset.is_running
    assert not toolset.is_running


async def test_the_server_process_ends_with_the_pool(toolset, spawns):
    async with McpPool() as pool, pool.hold(toolset):
        (pid,) = spawned(spawns)
        assert is_alive(pid)

    await until(lambda: not is_alive(pid))


async def test_a_session_that_nobody_uses_is_closed_and_the_next_use_opens_another(toolset, spawns):
    async with McpPool(idle=timedelta(milliseconds=20)) as pool:
        async with pool.hold(toolset):
            first = await call(toolset, "pid")
        await until(lambda: not is_alive(first))
        async with pool.hold(toolset):
            second = await call(toolset, "pid")

    assert spawned(spawns) == [first, second]


async def test_a_session_in_use_is_not_idle(toolset, spawns, tmp_path):
    started = tmp_path / "started"
    async with McpPool(idle=timedelta(milliseconds=1)) as pool:

        async def use():
            async with pool.hold(toolset):
                await call(toolset, "hang", started=str(started))

        hanging = asyncio.create_task(use())
        await until(started.exists)
        for _ in range(5):
            async with pool.hold(toolset):
                assert await call(toolset, "add", a=1, b=2) == 3
            await asyncio.sleep(0.01)
        assert not hanging.done()
        hanging.cancel()

    assert len(spawned(spawns)) == 1


async def test_a_use_that_is_cancelled_leaves_the_session_to_the_others(toolset, spawns):
    async with McpPool() as pool:

        async def use():
            async with pool.hold(toolset):
                return await call(toolset, "pid")

        first, second = asyncio.create_task(use()), asyncio.create_task(use())
        await asyncio.sleep(0)
        first.cancel()

        assert await second in spawned(spawns)
    assert len(spawned(spawns)) == 1


# -- broken sessions


async def test_a_server_killed_between_calls_is_noticed_and_replaced(toolset, spawns):
    async with McpPool() as pool:
        async with pool.hold(toolset):
            first = await call(toolset, "pid")
        os.kill(first, signal.SIGKILL)
        await until(lambda: not is_alive(first))
        async with pool.hold(toolset):
            second = await call(toolset, "pid")

    assert spawned(spawns) == [first, second]


@pytest.mark.parametrize("behavior", ["retry", "error", "failed"])
async def test_a_server_killed_in_mid_call_fails_the_call_and_not_the_model(spawns, tmp_path, behavior):
    toolset = stdio(spawns, tool_error_behavior=behavior)
    started = tmp_path / "started"
    async with McpPool() as pool:

        async def use():
            async with pool.hold(toolset):
                return await call(toolset, "hang", started=str(started))

        hanging = asyncio.create_task(use())
        await until(started.exists)
        os.kill(spawned(spawns)[0], signal.SIGKILL)

        with pytest.raises(McpSessionLost, match=r"'tiny' .* broke while 'hang' was called"):
            await hanging
        async with pool.hold(toolset):
            assert await call(toolset, "add", a=1, b=2) == 3
    assert len(spawned(spawns)) == 2


async def test_all_calls_in_a_broken_session_fail_and_their_retries_share_one_new_session(toolset, spawns, tmp_path):
    async with McpPool() as pool:

        async def use(place):
            started = tmp_path / f"started-{place}"
            try:
                async with pool.hold(toolset):
                    return await call(toolset, "hang", started=str(started))
            except McpSessionLost:
                async with pool.hold(toolset):
                    return await call(toolset, "pid")

        hanging = [asyncio.create_task(use(place)) for place in range(4)]
        await until(lambda: all((tmp_path / f"started-{place}").exists() for place in range(4)))
        (first,) = spawned(spawns)
        os.kill(first, signal.SIGKILL)
        pids = await asyncio.gather(*hanging)

    assert spawned(spawns) == [first, pids[0]]
    assert len(set(pids)) == 1


async def test_an_error_of_the_tool_itself_is_the_models_to_read(toolset, spawns):
    async with McpPool() as pool, pool.hold(toolset):
        with pytest.raises(ModelRetry, match="The tool itself is wrong"):
            await call(toolset, "fail")
        with pytest.raises(ModelRetry):
            await toolset.direct_call_tool("no_such_tool", {})
        assert await call(toolset, "add", a=1, b=2) == 3

    assert len(spawned(spawns)) == 1


async def test_an_error_of_the_tool_stays_an_error_where_the_user_wants_that(spawns):
    toolset = stdio(spawns, tool_error_behavior="error")
    async with McpPool() as pool, pool.hold(toolset):
        with pytest.raises(ToolError, match="The tool itself is wrong"):
            await call(toolset, "fail")


async def test_a_users_own_hook_goes_on_seeing_every_call_and_is_given_back(spawns):
    seen = []

    async def hook(ctx, call_tool, name, arguments):
        seen.append(name)
        return await call_tool(name, {**arguments, "b": 40})

    toolset = stdio(spawns, process_tool_call=hook)
    async with McpPool() as pool, pool.hold(toolset):
        assert await call(toolset, "add", a=2, b=1) == 42

    assert seen == ["add"]
    assert toolset.process_tool_call is hook


# -- servers that cannot be reached


async def test_a_command_that_does_not_exist_is_named():
    toolset = MCPToolset(StdioTransport(command="no-such-server", args=["--api-key", "hunter2"]), id="files")
    async with McpPool() as pool:
        with pytest.raises(McpUnavailable, match="'files' cannot be reached by `no-such-server --api-key") as caught:
            async with pool.hold(toolset):
                pass

    assert "No such file" in str(caught.value)
    assert "hunter2" not in str(caught.value)
    assert caught.value.server == "files"


async def test_a_server_that_ends_at_once_is_named():
    toolset = MCPToolset(StdioTransport(command=sys.executable, args=["-c", "raise SystemExit(3)"]), id="files")
    async with McpPool() as pool:
        with pytest.raises(McpUnavailable, match="'files' cannot be reached by"):
            async with pool.hold(toolset):
                pass


async def test_a_server_that_could_not_be_reached_is_tried_again_at_the_next_use(tmp_path, spawns):
    command = tmp_path / "server"
    toolset = MCPToolset(StdioTransport(command=str(command), args=[]), id="late")
    async with McpPool() as pool:
        with pytest.raises(McpUnavailable):
            async with pool.hold(toolset):
                pass
        command.write_text(f"#!/bin/sh\nexec {sys.executable} {SERVER} {spawns}\n")
        command.chmod(0o755)
        async with pool.hold(toolset):
            assert await call(toolset, "add", a=1, b=2) == 3


# -- HTTP


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@asynccontextmanager
async def http_server(port, spawns):
    process = await asyncio.create_subprocess_exec(
        sys.executable, str(SERVER), str(spawns), "--port", str(port), stderr=asyncio.subprocess.DEVNULL
    )
    try:
        async with asyncio.timeout(DEADLINE):
            while True:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    break
                await asyncio.sleep(0.02)
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


@pytest.fixture(params=["auto", "legacy"])
def http(request):
    """A toolset over HTTP, in the newest protocol, which has no sessions, and in the one before it, which has."""
    port = free_port()
    made = MCPToolset(f"http://127.0.0.1:{port}/mcp", id="web")
    made.client.mode = request.param
    return made, port


async def test_an_http_server_is_connected_to_once(http, spawns):
    toolset, port = http
    sessions = []
    async with http_server(port, spawns), McpPool() as pool:
        for _ in range(3):
            async with pool.hold(toolset):
                assert await call(toolset, "add", a=1, b=2) == 3
                sessions.append(toolset.client.session)

    assert all(session is sessions[0] for session in sessions)


async def test_an_http_server_that_was_restarted_is_served_by_a_new_session(http, spawns):
    toolset, port = http
    async with McpPool() as pool:
        for _ in range(2):
            async with http_server(port, spawns), pool.hold(toolset):
                assert await call(toolset, "pid") == spawned(spawns)[-1]

    assert len(set(spawned(spawns))) == 2


async def test_an_http_server_killed_in_mid_call_fails_the_call_and_the_retry_has_a_new_session(http, spawns, tmp_path):
    toolset, port = http
    started = tmp_path / "started"
    async with McpPool() as pool:

        async def use():
            async with pool.hold(toolset):
                return await call(toolset, "hang", started=str(started))

        async with http_server(port, spawns) as process:
            hanging = asyncio.create_task(use())
            await until(started.exists)
            process.kill()
            with pytest.raises(McpSessionLost):
                await hanging
        async with http_server(port, spawns), pool.hold(toolset):
            assert await call(toolset, "pid") == spawned(spawns)[-1]


async def test_an_http_server_that_is_down_is_named_by_its_address(http):
    toolset, port = http
    async with McpPool() as pool:
        with pytest.raises(McpUnavailable, match=rf"'web' cannot be reached by 'http://127.0.0.1:{port}/mcp'"):
            async with pool.hold(toolset):
                pass


async def test_an_http_server_that_goes_down_is_named_when_it_is_used_next(http, spawns):
    toolset, port = http
    async with McpPool() as pool:
        async with http_server(port, spawns), pool.hold(toolset):
            await call(toolset, "pid")
        with pytest.raises((McpUnavailable, McpSessionLost)):
            async with pool.hold(toolset):
                await call(toolset, "pid")


# -- which toolsets an agent has


def test_mcp_toolsets_are_found_however_they_are_wrapped(spawns):
    plain, wrapped, combined = (MCPToolset("http://127.0.0.1:1/mcp", id=name) for name in "abc")
    inner = MCPToolset("http://127.0.0.1:1/mcp", id="d")
    agent = Agent(
        name="many",
        toolsets=[
            plain,
            WrapperToolset(wrapped).prefixed("w"),
            CombinedToolset([combined.filtered(lambda _ctx, _tool: True), FunctionToolset(), plain]),
        ],
        capabilities=[MCP(local=inner), MCP(url="http://127.0.0.1:1/other", id="e", native=False)],
    )

    found = mcp_toolsets(agent)

    assert found[:3] == [plain, wrapped, combined]
    assert sorted(one.id for one in found) == ["a", "b", "c", "d", "e"]


async def test_an_activity_is_known_by_its_name_and_any_other_passes(toolset, spawns):
    agent = Agent(name="sums", toolsets=[toolset])
    async with McpPool([agent]) as pool:
        async with pool.serving("agent__sums__model_request"), pool.serving("outlive_work_window"):
            assert spawned(spawns) == []
        async with pool.serving("agent__sums__mcp_server__tiny__call_tool"):
            assert await call(toolset, "pid") in spawned(spawns)


def test_the_activities_of_a_durable_agent_are_those_that_pydantic_ai_registers(toolset):
    """Contract: `mcp_activities` builds names that are Pydantic AI's own."""
    from pydantic_ai.durable_exec.temporal import TemporalDurability

    agent = Agent(TestModel(), name="sums", toolsets=[toolset.prefixed("p")], capabilities=[TemporalDurability()])
    registered = {
        activity.__temporal_activity_definition.name
        for activity in TemporalDurability.from_agent(agent).temporal_activities
    }

    assert set(mcp_activities(agent)) == {name for name in registered if "__mcp_server__" in name}
    assert set(mcp_activities(agent).values()) == {toolset}


async def test_a_toolset_that_connects_anew_for_each_run_is_left_alone(spawns):
    toolset = MCPToolset("http://127.0.0.1:1/mcp", id="mine", headers=lambda _ctx: {"x-user": "ann"})
    async with McpPool() as pool:
        for _ in range(2):
            async with pool.hold(toolset):
                assert not toolset.is_running

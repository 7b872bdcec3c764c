"""The official MCP servers from npm, each behind one pooled session."""

import asyncio
import fcntl
import shutil
from pathlib import Path

import pytest
from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.models.test import TestModel

from outlive.agents.mcp_pool import McpPool

VERSION = "2026.8.31"
PACKAGES = ("@modelcontextprotocol/server-everything", "@modelcontextprotocol/server-filesystem")

pytestmark = [
    pytest.mark.skipif(
        shutil.which("npm") is None, reason="npm is missing: install Node.js 20 to try the official MCP servers"
    ),
    pytest.mark.timeout(600),  # the first run installs them
]


@pytest.fixture(scope="module")
def binaries(request: pytest.FixtureRequest) -> Path:
    """The servers' commands, installed once and kept in pytest's cache."""
    folder = request.config.cache.mkdir(f"npm-{VERSION}")
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test run may be installing them
        commands = folder / "node_modules" / ".bin"
        if not (folder / "installed").exists():
            asyncio.run(install(folder))
            (folder / "installed").touch()
    return commands


async def install(folder: Path) -> None:
    wanted = [f"{package}@{VERSION}" for package in PACKAGES]
    arguments = ["install", "--prefix", str(folder), "--no-audit", "--no-fund", "--ignore-scripts", *wanted]
    process = await asyncio.create_subprocess_exec(
        "npm", *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    if process.returncode:
        pytest.skip(f"npm cannot install the official MCP servers: {said.decode()[-300:]}")


async def test_server_everything_lists_and_calls_its_tools_through_the_pool(binaries):
    transport = StdioTransport(command=str(binaries / "mcp-server-everything"), args=["stdio"])
    toolset = MCPToolset(transport, id="everything")
    async with McpPool() as pool:
        async with pool.hold(toolset):
            names = {tool.name for tool in await toolset.list_tools()}
        async with pool.hold(toolset):
            echoed = await toolset.direct_call_tool("echo", {"message": "harbour"})

    assert "echo" in names
    assert "harbour" in echoed


async def test_server_filesystem_lists_and_reads_files_through_the_pool(binaries, tmp_path):
    (tmp_path / "note.md").write_text("The harbour was built in 1911.")
    transport = StdioTransport(command=str(binaries / "mcp-server-filesystem"), args=[str(tmp_path)])
    toolset = MCPToolset(transport, id="files")
    async with McpPool() as pool:
        async with pool.hold(toolset):
            names = {tool.name for tool in await toolset.list_tools()}
            listed = await toolset.direct_call_tool("list_directory", {"path": str(tmp_path)})
        async with pool.hold(toolset):
            read = await toolset.direct_call_tool("read_text_file", {"path": str(tmp_path / "note.md")})

    assert {"read_text_file", "list_directory", "write_file"} <= names
    assert "note.md" in str(listed)
    assert "1911" in str(read)


async def test_an_agent_uses_the_session_that_the_pool_keeps(binaries, tmp_path):
    transport = StdioTransport(command=str(binaries / "mcp-server-filesystem"), args=[str(tmp_path)])
    toolset = MCPToolset(transport, id="files")
    agent = Agent(TestModel(call_tools=["list_allowed_directories"]), name="reader", toolsets=[toolset])
    async with McpPool([agent]) as pool, pool.serving("agent__reader__mcp_server__files__call_tool"):
        session = toolset.client.session
        result = await agent.run("Which folders may you read?")

        assert toolset.client.session is session
    assert str(tmp_path) in result.output

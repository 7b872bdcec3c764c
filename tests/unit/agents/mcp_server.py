"""A small MCP server for tests: ``mcp_server.py SPAWNS [--port PORT]`` writes its pid into SPAWNS when it starts."""

import argparse
import asyncio
import os
from pathlib import Path

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError


def build(spawns: Path) -> MCPServer:
    server = MCPServer("tiny", instructions="Adds numbers.")

    @server.tool()
    async def add(a: int, b: int) -> int:
        """Add two numbers."""
        return a + b

    @server.tool()
    async def pid() -> int:
        """Tell the process id of the server."""
        return os.getpid()

    @server.tool()
    async def hang(started: str) -> str:
        """Write a file, and never answer."""
        await asyncio.to_thread(Path(started).write_text, "started")
        await asyncio.Event().wait()
        return "never"

    @server.tool()
    async def fail() -> str:
        """Fail."""
        raise ToolError("The tool itself is wrong.")

    return server


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("spawns", type=Path)
    parser.add_argument("--port", type=int)
    arguments = parser.parse_args()
    with arguments.spawns.open("a") as file:
        file.write(f"{os.getpid()}\n")
    server = build(arguments.spawns)
    if arguments.port is None:
        server.run("stdio")
    else:
        server.run("streamable-http", port=arguments.port)


if __name__ == "__main__":
    main()

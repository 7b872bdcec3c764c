"""The MCP server: standard output holds the protocol and nothing else."""

import contextlib
import io
import os
import sys
from collections.abc import AsyncIterator, Callable
from importlib.metadata import version

from mcp.server.mcpserver import MCPServer

from outlive.app import App
from outlive.assistants.tools import Tools, described, tools_of
from outlive.client import Client
from outlive.settings import Settings

INSTRUCTIONS = """
Outlive runs durable AI agents, plans and batches: what is started here goes on though anything dies.
Start with `start_run`, `start_plan` or `start_batch`; each returns an id at once. Ask `run_status`, `run_result` or
`batch_status` with it. A run that is parked waits for a person: `list_hand_offs` tells for what. Answer one with
`answer_hand_off` only when the person you work for has told you what to decide.
"""


def assistant_server(app: App, settings: Settings) -> MCPServer[None]:
    """Return the server for an app; its client is opened with the session."""
    tools = Tools()

    @contextlib.asynccontextmanager
    async def lifespan(_: MCPServer[None]) -> AsyncIterator[None]:
        async with Client(settings, app=app) as client:
            tools.client = client
            yield

    server: MCPServer[None] = MCPServer(
        "outlive",
        instructions=f"{INSTRUCTIONS.strip()}\n\n{described(app)}",
        version=version("outlive"),
        lifespan=lifespan,
        log_level="WARNING",
        subscriptions=False,
    )
    for function, annotations in tools_of(tools):
        server.add_tool(function, annotations=annotations)
    return server


async def serve_stdio(load: Callable[[], App], settings: Settings) -> None:
    """Serve one assistant until it closes standard input.

    Args:
        load: Imports the app.
    """
    server = assistant_server(_imported(load), settings)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(write_through=True)  # while served it is standard error: nothing stays behind for later
    await server.run_stdio_async()


def _imported(load: Callable[[], App]) -> App:
    """Import the app with standard output led to standard error: what its modules print is no protocol."""
    sys.stdout.flush()
    protocol = os.dup(1)
    os.dup2(2, 1)
    try:
        return load()
    finally:
        sys.stdout.flush()
        os.dup2(protocol, 1)
        os.close(protocol)

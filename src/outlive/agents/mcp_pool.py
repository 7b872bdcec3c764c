"""MCP sessions that outlast a call: opened once per worker process, kept while used, opened anew when they break.

Left to itself, each activity that asks an MCP server opens a session and closes it again: over HTTP that is a
connection and a handshake for every call. And a session that breaks in mid-call is reported to the model, as if it had
done something wrong. Within `McpPool.hold` neither happens.
"""

import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import timedelta
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from pydantic_ai import Agent
from pydantic_ai.toolsets import AbstractToolset, WrapperToolset

if TYPE_CHECKING:
    from pydantic_ai.mcp import MCPToolset

    from outlive.agents.mcp_session import KeptSession

IDLE = timedelta(minutes=10)  # a server that an agent needs once a day is not kept, one needed between answers is
_OPERATIONS = ("get_tools", "get_instructions", "call_tool")


class McpPool:
    """The MCP sessions of one worker process. Use it as an async context manager, in the loop that runs the activities.

    Args:
        agents: The agents whose activities `serving` knows by name.
        idle: How long a session that nobody uses is kept.
    """

    def __init__(self, agents: Iterable[Agent[Any, Any]] = (), *, idle: timedelta = IDLE) -> None:
        self._by_activity = {name: toolset for agent in agents for name, toolset in mcp_activities(agent).items()}
        self._idle = idle.total_seconds()
        self._kept: dict[MCPToolset[Any], KeptSession] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for kept in self._kept.values():
            await kept.retire()
        self._kept.clear()

    @asynccontextmanager
    async def hold(self, toolset: "MCPToolset[Any]") -> AsyncIterator[None]:
        """Keep the toolset's session open within the block, and for a while after it.

        A session that has broken since its last use is opened anew before the block begins. One that breaks within
        the block makes the tool call in it raise `McpSessionLost`.

        Raises:
            McpUnavailable: The session cannot be opened.
        """
        from outlive.agents.mcp_session import KeptSession

        kept = self._kept.get(toolset)
        if kept is None:
            kept = self._kept[toolset] = KeptSession(toolset, self._idle)
        async with kept.use():
            yield

    @asynccontextmanager
    async def serving(self, activity_type: str) -> AsyncIterator[None]:
        """Do as `hold` for the toolset that an activity of this name works on; nothing for any other activity.

        Raises:
            McpUnavailable: The session cannot be opened.
        """
        toolset = self._by_activity.get(activity_type)
        if toolset is None:
            yield
            return
        async with self.hold(toolset):
            yield


def mcp_toolsets(agent: Agent[Any, Any]) -> "list[MCPToolset[Any]]":
    """Return the toolsets of an agent that are MCP servers, each once, however they are combined and wrapped.

    Toolsets that a function makes anew for each run are not among them: nobody knows them before.
    """
    if "pydantic_ai.mcp" not in sys.modules:  # whoever has such a toolset has imported it; it takes a second and more
        return []
    from pydantic_ai.mcp import MCPToolset

    found: dict[int, MCPToolset[Any]] = {}

    def visit(toolset: AbstractToolset[Any]) -> None:
        while isinstance(toolset, WrapperToolset) and not isinstance(toolset, MCPToolset):
            toolset = toolset.wrapped
        if isinstance(toolset, MCPToolset):
            found[id(toolset)] = toolset

    for toolset in agent.toolsets:
        toolset.apply(visit)
    return list(found.values())


def mcp_activities(agent: Agent[Any, Any]) -> "dict[str, MCPToolset[Any]]":
    """Return the names of the Temporal activities that an agent's MCP toolsets become, each with its toolset."""
    return {
        f"agent__{agent.name}__mcp_server__{toolset.id}__{operation}": toolset
        for toolset in mcp_toolsets(agent)
        for operation in _OPERATIONS
    }

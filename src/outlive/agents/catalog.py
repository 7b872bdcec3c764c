"""Which tools of an agent declare their effects, and which do not."""

from typing import Any

from pydantic_ai import Agent
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset, WrapperToolset

from outlive.effects.declaring import Effect, declared


def tool_functions(agent: Agent[Any, Any]) -> dict[str, Any]:
    """Return the functions behind an agent's tools, by the name of the tool.

    Tools of MCP servers have none; those that are workflow code, or child workflows, have no effect of their own.
    """
    found: dict[str, Any] = {}

    def visit(toolset: AbstractToolset[Any]) -> None:
        while isinstance(toolset, WrapperToolset):
            toolset = toolset.wrapped
        if isinstance(toolset, FunctionToolset):
            in_activities = {name: tool for name, tool in toolset.tools.items() if _is_activity(tool.metadata)}
            found.update({name: tool.function for name, tool in in_activities.items()})

    for toolset in agent.toolsets:
        toolset.apply(visit)
    return found


def _is_activity(metadata: dict[str, Any] | None) -> bool:
    temporal = (metadata or {}).get("temporal", {})
    return temporal is not False and "child_workflow" not in temporal


def declared_effects(agent: Agent[Any, Any]) -> dict[str, Effect]:
    """Return what an agent's tools are declared as, by the name of the tool."""
    return {name: found for name, function in tool_functions(agent).items() if (found := declared(function))}


def undeclared(agent: Agent[Any, Any]) -> list[str]:
    """Return the names of an agent's tools whose functions declare no effect."""
    return sorted(set(tool_functions(agent)) - set(declared_effects(agent)))

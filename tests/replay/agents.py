"""The agents whose histories are recorded beside this file; a change here is a change of their code in flight."""

import os
import sys
from datetime import timedelta
from pathlib import Path

from fastmcp.client.transports import StdioTransport
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.mcp import MCPToolset
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage
from temporalio import workflow

from outlive import Compaction, Durable, HandOffPolicy, SubAgents, tool_options

MCP_SERVER = Path(__file__).parents[1] / "unit" / "agents" / "mcp_server.py"
LOOKS = 8
"""Tool calls of the agent that compacts: enough to fill its small context twice."""

broken = [True]
"""Whether the tool that parks still fails."""


def calling(*tools: str, times: int = 1, **arguments: object) -> FunctionModel:
    """A model that calls tools, all at once, so many times, and then says what it was told."""

    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        returned = [part for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
        if len(returned) < times * len(tools):
            return ModelResponse(parts=[ToolCallPart(tool, arguments) for tool in tools])
        return ModelResponse(parts=[TextPart(str(returned[-1].content))])

    return FunctionModel(answer)


def built() -> dict[str, Agent]:
    """Return the agents by name, made anew."""
    hears, refuses = listener(), refuser()
    agents = (
        looker(),
        buggy(),
        parking(),
        hears,
        refuses,
        chief(hears),
        board(hears, refuses),
        adder(),
        sleeper(),
        tidy(),
        payer(),
    )
    return {agent.name or "": agent for agent in agents}


def looker() -> Agent:
    """Calls a tool so often that its run continues as new."""
    agent = Agent(calling("look", times=30), name="looker", capabilities=[Durable()])

    @agent.tool_plain
    def look() -> str:
        """Look."""
        return "seen"

    return agent


def buggy() -> Agent:
    """Is told that its tool failed."""
    agent = Agent(calling("fail"), name="buggy", capabilities=[Durable()])

    @agent.tool_plain
    @tool_options(attempts=2)
    def fail() -> str:
        """Fail."""
        raise ValueError("no such account")

    return agent


def parking() -> Agent:
    """Parks until its tool is mended."""
    agent = Agent(calling("lock"), name="parking", capabilities=[Durable()])

    @agent.tool_plain
    @tool_options(attempts=1, on_failure="park")
    def lock() -> str:
        """Fail until it is mended."""
        if broken[0]:
            raise ValueError("locked")
        return "open"

    return agent


def payer() -> Agent:
    """Pays what a person allows, who is reminded of it."""
    reminded = HandOffPolicy(
        remind_after=timedelta(seconds=1),
        escalate_after=timedelta(seconds=1.5),
        escalate_to="lead",
        expires_after=timedelta(days=1),
    )
    agent = Agent(calling("pay", amount=500), name="payer", capabilities=[Durable(hand_offs=reminded)])

    @agent.tool_plain(requires_approval=True)
    def pay(amount: int) -> str:
        """Pay."""
        return f"paid {amount}"

    return agent


def listener() -> Agent:
    """Always says yes."""
    model = FunctionModel(lambda *_: ModelResponse(parts=[TextPart("yes")]))
    return Agent(model, name="listener", capabilities=[Durable()])


def refuser() -> Agent:
    """Fails, because its model refuses the request."""

    def refuse(*_: object) -> ModelResponse:
        raise ModelHTTPError(400, "m", "too odd a question")

    return Agent(FunctionModel(refuse), name="refuser", capabilities=[Durable()])


def chief(*asks: Agent) -> Agent:
    """Asks one sub-agent."""
    return Agent(
        calling("ask_listener", task="Are you there?"),
        name="chief",
        capabilities=[Durable(), SubAgents(agents=[*asks])],
    )


def board(*asks: Agent) -> Agent:
    """Asks two sub-agents at once, of which one fails."""
    return Agent(
        calling("ask_listener", "ask_refuser", task="Are you there?"),
        name="board",
        capabilities=[Durable(), SubAgents(agents=[*asks])],
    )


def adder(*, name: str = "adder", command: str = sys.executable, server_id: str = "tiny") -> Agent:
    """Calls a tool of an MCP server."""
    server = StdioTransport(command=command, args=[str(MCP_SERVER), os.devnull])
    toolset = MCPToolset(server, id=server_id)
    return Agent(calling("add", a=2, b=3), name=name, toolsets=[toolset], capabilities=[Durable()])


def sleeper(*, in_a_child: bool = True) -> Agent:
    """Calls a tool that is a child workflow, and one that is an activity, at once."""
    agent = Agent(calling("sleep", "look"), name="sleeper", capabilities=[Durable()])
    metadata = {"temporal": {"child_workflow": {}}} if in_a_child else None

    @agent.tool_plain(metadata=metadata)
    async def sleep() -> str:
        """Sleep."""
        await workflow.sleep(0.01)
        return "slept"

    @agent.tool_plain
    def look() -> str:
        """Look."""
        return "seen"

    return agent


def tidy(*, compacts: bool = True) -> Agent:
    """Fills its context several times over."""
    looked: list[None] = []

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        if not info.function_tools:
            return ModelResponse(parts=[TextPart("THE SUMMARY")])
        is_done = f"saw {LOOKS}" in str(messages)
        part = TextPart("done") if is_done else ToolCallPart("look")
        return ModelResponse(parts=[part], usage=RequestUsage(input_tokens=len(messages) * 100, output_tokens=1))

    compaction = [Compaction(context_tokens=800, keep=2)] if compacts else []
    agent = Agent(FunctionModel(answer), name="tidy", capabilities=[Durable(), *compaction])

    @agent.tool_plain
    def look() -> str:
        """Look."""
        looked.append(None)
        return f"saw {len(looked)}"

    return agent

"""The agents whose histories are recorded beside this file; a change here is a change of their code in flight."""

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from outlive import Durable, SubAgents, tool_options

broken = [True]
"""Whether the tool that parks still fails."""


def calling(tool: str, times: int = 1, **arguments: object) -> FunctionModel:
    """A model that calls a tool so many times, and then says what it was told."""

    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        returned = [part for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
        if len(returned) < times:
            return ModelResponse(parts=[ToolCallPart(tool, arguments)])
        return ModelResponse(parts=[TextPart(str(returned[-1].content))])

    return FunctionModel(answer)


def built() -> dict[str, Agent]:
    """Return the agents by name, made anew."""
    looker = Agent(calling("look", 30), name="looker", capabilities=[Durable()])
    buggy = Agent(calling("fail"), name="buggy", capabilities=[Durable()])
    parking = Agent(calling("lock"), name="parking", capabilities=[Durable()])
    listener = Agent(
        FunctionModel(lambda *_: ModelResponse(parts=[TextPart("yes")])), name="listener", capabilities=[Durable()]
    )
    chief = Agent(
        calling("ask_listener", task="Are you there?"),
        name="chief",
        capabilities=[Durable(), SubAgents(agents=[listener])],
    )

    @looker.tool_plain
    def look() -> str:
        """Look."""
        return "seen"

    @buggy.tool_plain
    @tool_options(attempts=2)
    def fail() -> str:
        """Fail."""
        raise ValueError("no such account")

    @parking.tool_plain
    @tool_options(attempts=1, on_failure="park")
    def lock() -> str:
        """Fail until it is mended."""
        if broken[0]:
            raise ValueError("locked")
        return "open"

    return {agent.name or "": agent for agent in (looker, buggy, parking, listener, chief)}

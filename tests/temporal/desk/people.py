"""What the tests of the desk share: a model that calls tools by a list, and waiting until somebody is asked."""

import json
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from engines import until
from outlive.client import Client
from outlive.desk.records import HandOff


def calling(*calls: tuple[str, dict[str, Any]], at_once: bool = False) -> FunctionModel:
    """A model that makes these calls, one after the other or all in one answer, and then says what came of them."""

    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        returned = [part for message in messages for part in message.parts if isinstance(part, ToolReturnPart)]
        if at_once and not returned:
            return ModelResponse(parts=[ToolCallPart(name, args) for name, args in calls])
        if len(returned) < len(calls):
            return ModelResponse(parts=[ToolCallPart(*calls[len(returned)])])
        return ModelResponse(parts=[TextPart(json.dumps([part.content for part in returned], default=str))])

    return FunctionModel(answer)


async def waiting(client: Client, agent: str, *, count: int = 1, **values: Any) -> list[HandOff]:
    """Wait until so many hand-offs of an agent are on the desk, and return them."""
    found: list[HandOff] = []

    async def are_there() -> bool:
        found[:] = await client.desk.list(agent=agent, **values)
        return len(found) == count

    await until(are_there, f"{count} hand-offs of {agent} on the desk")
    return found

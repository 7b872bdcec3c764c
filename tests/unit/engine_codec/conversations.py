"""Conversations as agents have them, and what sends them."""

from dataclasses import dataclass, field
from typing import Any

from pydantic_ai.durable_exec.temporal._transports import _CompactMessagesParams, _RequestParams
from pydantic_ai.messages import (
    BinaryContent,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.usage import RequestUsage

TOOLS = [
    ToolDefinition(name=f"tool_{number}", description="What it does. " * 20, parameters_json_schema={"type": "object"})
    for number in range(10)
]


@dataclass(frozen=True, kw_only=True)
class Turn:
    """A contract of our own kind: the messages' type is not said."""

    title: str
    messages: list[Any] = field(default_factory=list)
    usage: dict[str, int] | None = None


def conversation(count: int, *, size: int = 200) -> list[ModelMessage]:
    """Messages of an agent that calls tools: each of about ``size`` bytes."""
    messages: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart(content="Find it. " * (size // 9))])]
    while len(messages) < count:
        number = len(messages)
        if number % 2:
            call = ToolCallPart(
                tool_name="find", args={"number": number, "where": ["a", "b"]}, tool_call_id=f"c{number}"
            )
            text = TextPart(content=f"{number}: " + "looking " * (size // 8))
            messages.append(
                ModelResponse(parts=[text, call], usage=RequestUsage(input_tokens=number), model_name="test")
            )
        else:
            found = {"found": [f"{number}: " + "text " * (size // 5)]}
            answer = ToolReturnPart(tool_name="find", content=found, tool_call_id=f"c{number - 1}")
            messages.append(ModelRequest(parts=[answer], instructions="Be brief."))
    return messages[:count]


def every_kind() -> list[ModelMessage]:
    """Messages with everything that is encoded in a way of its own."""
    image = BinaryContent(data=bytes(range(256)) * 3, media_type="image/png")
    return [
        ModelRequest(parts=[UserPromptPart(content=["Look: ", image])]),
        ModelResponse(
            parts=[
                ThinkingPart(content="hm ☃", signature="s"),
                TextPart(content="a \ud83c broken pair".replace("\ud83c", "?")),
            ],
            provider_details={"at": 1.5, "nested": {"list": [None, True]}},
        ),
    ]


def request(messages: list[ModelMessage], **values: Any) -> _RequestParams:
    """What a model call is given."""
    return _RequestParams(
        **{
            "messages": messages,
            "model_settings": {"temperature": 0.5},
            "model_request_parameters": ModelRequestParameters(function_tools=TOOLS),
            "serialized_run_context": {"run_id": "r", "usage": {"requests": len(messages)}},
            "telemetry_mcp_url_ids": {"a"},
            **values,
        }
    )


__all__ = ["TOOLS", "Turn", "_CompactMessagesParams", "_RequestParams", "conversation", "every_kind", "request"]

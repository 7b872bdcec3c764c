"""Compaction: when a conversation fills the model's context, its older part becomes a summary.

Pydantic AI's own means: a capability whose summary is a durable operation, and the measure is ``context_window_used``.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from pydantic_ai import RunContext
from pydantic_ai.capabilities import AbstractCapability, durable_operation
from pydantic_ai.direct import model_request
from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestContext
from pydantic_core import to_json
from temporalio.exceptions import ActivityError

from outlive.agents.exhausted import refusal
from outlive.agents.host import run_host
from outlive.contracts.events import EventKind
from outlive.errors import AppError

INSTRUCTIONS = (
    "Summarise this conversation between a user and an assistant that uses tools, so that the assistant can go on from "
    "the summary alone. Keep what was asked, decided, promised and found out, with names, numbers and identifiers."
)
PREFACE = "Summary of the conversation so far:\n\n"
LONGEST_PART = 20_000
"""Characters of one tool result that the summary is made from."""


@dataclass(kw_only=True)
class Compaction(AbstractCapability[Any]):
    """Summarises the older part of a conversation: ``capabilities=[Durable(), Compaction()]``.

    Attributes:
        at: Share of the context that the last call may have filled.
        context_tokens: Size of the model's context; None takes what Pydantic AI knows of the model.
        keep: How many of the latest messages stay as they are, or a few more: a tool call stays with its result.
        instructions: What the model is told to do.
    """

    at: float = 0.75
    context_tokens: int | None = None
    keep: int = 8
    instructions: str = INSTRUCTIONS
    id: str = field(default="outlive_compaction")

    def __post_init__(self) -> None:
        if not 0 < self.at <= 1:
            raise AppError(f"at is {self.at:g}. It is a share of the model's context: more than 0, at most 1.")

    @durable_operation("summarise")
    async def summarise(self, ctx: RunContext[Any], conversation: str) -> str:
        """Return the model's summary of a conversation; one model call, in an activity."""
        request = ModelRequest(parts=[UserPromptPart(conversation)], instructions=self.instructions)
        response = await model_request(ctx.model, [request])  # type: ignore[arg-type]
        ctx.usage.incr(response.usage)
        return "".join(part.content for part in response.parts if isinstance(part, TextPart))

    async def before_model_request(
        self, ctx: RunContext[Any], request_context: ModelRequestContext
    ) -> ModelRequestContext:
        """Compact before the request that would fill the context."""
        if not self._is_full(ctx):
            return request_context
        messages = ctx.messages
        cut = _cut(messages, self.keep)
        if cut is None:
            return request_context
        before = len(messages)
        try:
            summary = await self.summarise(ctx, as_text(messages[:cut]))
        except ActivityError as error:
            if refusal(error) is None:
                raise
            return request_context  # no budget pays for a summary: the request itself asks for money
        first = ModelRequest(parts=[UserPromptPart(PREFACE + summary)])
        messages[:cut] = [first]
        host = run_host()
        if host is not None:
            await host.note(
                EventKind.COMPACTED, str(ctx.run_step), messages_before=before, messages_after=len(messages)
            )
        return replace(request_context, messages=list(messages))

    def _is_full(self, ctx: RunContext[Any]) -> bool:
        if self.context_tokens is None:
            return (ctx.context_window_used or 0.0) >= self.at
        for message in reversed(ctx.messages):
            if isinstance(message, ModelResponse):
                used = message.usage.input_tokens + message.usage.output_tokens
                return used >= self.at * self.context_tokens
        return False


def _cut(messages: list[ModelMessage], keep: int) -> int | None:
    """Return where the kept part begins, never between a tool call and its result; None where none does."""
    for place in range(max(len(messages) - keep, 0), 1, -1):
        if isinstance(messages[place], ModelResponse) or _is_user(messages[place]):
            return place
    return None


def _is_user(message: ModelMessage) -> bool:
    return isinstance(message, ModelRequest) and not any(isinstance(part, ToolReturnPart) for part in message.parts)


def as_text(messages: list[ModelMessage]) -> str:
    """Return a conversation as text, tool calls and results included, each at most `LONGEST_PART` characters."""
    lines = []
    for message in messages:
        for part in message.parts:
            if isinstance(part, UserPromptPart):
                lines.append(f"User: {_short(part.content)}")
            elif isinstance(part, TextPart):
                lines.append(f"Assistant: {_short(part.content)}")
            elif isinstance(part, ToolCallPart):
                lines.append(f"Assistant calls {part.tool_name}: {_short(part.args)}")
            elif isinstance(part, ToolReturnPart):
                lines.append(f"{part.tool_name} returned: {_short(part.content)}")
    return "\n".join(lines)


def _short(value: object) -> str:
    text = value if isinstance(value, str) else to_json(value, fallback=repr).decode()
    return text if len(text) <= LONGEST_PART else f"{text[:LONGEST_PART]}…"

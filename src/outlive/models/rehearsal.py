"""``offline:extractive`` for agents: no language model, but an agent can be rehearsed with it, and it costs nothing.

It calls the tools that the prompt names, with arguments that it finds in the prompt, and answers with what they
returned. It understands nothing, says so in every response (`NOTICE`), needs no network and no key, and gives the
same response to the same messages.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pydantic_ai.messages import (
    ModelMessage,
    ModelRequest,
    ModelResponse,
    ModelResponsePart,
    ModelResponseStreamEvent,
    TextContent,
    TextPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters, StreamedResponse
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import RunContext, ToolDefinition
from pydantic_ai.usage import RequestUsage
from pydantic_core import to_json

from outlive.errors import AnswerInvalid, ModelUnusable
from outlive.models.extractive import fill, summarise, telling_words
from outlive.models.long_texts import estimated_tokens
from outlive.models.rehearsed_arguments import PromptArguments, stem, words_of_name
from outlive.names import OFFLINE_MODEL
from outlive.settings import Settings

PROVIDER, _, MODEL_NAME = OFFLINE_MODEL.partition(":")
NOTICE = "No language model answered: the response was put together from the words of prompt and tools."
REHEARSAL_PROFILE = ModelProfile(supports_json_schema_output=True, supports_json_object_output=True)

_MOST_CALLS = 3  # per prompt: a rehearsal shows how an agent runs, not how thorough one can be
_NAME_WEIGHT = 3  # a word of a tool's name says more than one of its description
_SENTENCES = 2
_LONGEST_RESULT = 320  # characters that are told as they are; longer ones are summarised
_WORDS_PER_DELTA = 3
_WORDS = re.compile(rf"(?:\s*\S+){{1,{_WORDS_PER_DELTA}}}\s*|\s+")


def build_rehearsal(settings: Settings) -> Model[Any]:
    """Return the model that agents get under the name ``offline:extractive``."""
    return RehearsalModel(latency=settings.offline_latency)


class RehearsalModel(Model[Any]):
    """A Pydantic AI model that no language model stands behind."""

    def __init__(self, *, latency: float = 0.0) -> None:
        """Make the model.

        Args:
            latency: Seconds that each answer takes.
        """
        super().__init__(profile=REHEARSAL_PROFILE)
        self._latency = latency

    @property
    def model_name(self) -> str:
        """Name of the model."""
        return MODEL_NAME

    @property
    def system(self) -> str:
        """Name of the provider."""
        return PROVIDER

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Return the response to the messages.

        Raises:
            ModelUnusable: A structured output wants what cannot be taken out of the texts; the field is named.
        """
        _, parameters = self.prepare_request(model_settings, model_request_parameters)
        await asyncio.sleep(self._latency)
        parts = list(_response(messages, parameters))
        return ModelResponse(
            parts=parts,
            usage=_usage(_input_tokens(messages), parts),
            model_name=self.model_name,
            provider_name=self.system,
            provider_details=_details(),
            finish_reason=_finish_reason(parts),
        )

    @asynccontextmanager
    async def request_stream(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
        run_context: RunContext[Any] | None = None,  # noqa: ARG002 - nothing of the run decides the response
    ) -> AsyncIterator[StreamedResponse]:
        """Do as `request`, in deltas of a few words.

        Raises:
            ModelUnusable: As in `request`.
        """
        _, parameters = self.prepare_request(model_settings, model_request_parameters)
        await asyncio.sleep(self._latency)
        yield _RehearsalStream(
            model_request_parameters=parameters,
            parts=list(_response(messages, parameters)),
            input_tokens=_input_tokens(messages),
        )


@dataclass
class _RehearsalStream(StreamedResponse):
    parts: Sequence[ModelResponsePart]
    input_tokens: int
    began: datetime = field(default_factory=lambda: datetime.now(UTC))

    async def _get_event_iterator(self) -> AsyncIterator[ModelResponseStreamEvent]:
        self.provider_details = _details()
        for place, part in enumerate(self.parts):
            if isinstance(part, TextPart):
                for piece in _WORDS.findall(part.content):
                    for event in self._parts_manager.handle_text_delta(vendor_part_id=place, content=piece):
                        yield event
                    await asyncio.sleep(0)  # what reads the stream gets its turn
            else:
                yield self._parts_manager.handle_part(vendor_part_id=place, part=part)
        self._usage = _usage(self.input_tokens, self.parts)
        self.finish_reason = _finish_reason(self.parts)

    async def close_stream(self) -> None:
        """Close nothing: there is no connection."""

    @property
    def model_name(self) -> str:
        """Name of the model."""
        return MODEL_NAME

    @property
    def provider_name(self) -> str:
        """Name of the provider."""
        return PROVIDER

    @property
    def provider_url(self) -> None:
        """Nothing: the provider has no address."""
        return

    @property
    def timestamp(self) -> datetime:
        """When the response began."""
        return self.began


@dataclass(frozen=True, kw_only=True)
class _Exchange:
    """What was said since the last prompt, it included.

    Attributes:
        prompt: The words of the user; of the instructions where the user said nothing.
        called: Names of the tools that were called since.
        results: What they returned.
        message_count: Messages in the whole conversation.
    """

    prompt: str
    called: frozenset[str]
    results: Sequence[ToolReturnPart]
    message_count: int


def _response(messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> Iterator[ModelResponsePart]:
    said = _exchange(messages, parameters)
    if not said.called:
        calls = list(_calls(said, parameters))
        if calls:
            yield from calls
            return
    if parameters.output_tools and not parameters.allow_text_output:
        yield _output_call(said, parameters.output_tools)
    elif parameters.output_object is not None:
        filled = _filled(said, [("the output", parameters.output_object.json_schema)])
        yield TextPart(content=json.dumps(filled[1], ensure_ascii=False))
    else:
        yield TextPart(content=_answer(said))


def _exchange(messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> _Exchange:
    start = max((place for place, one in enumerate(messages) if _prompt(one)), default=0)
    prompt = _prompt(messages[start]) if messages else ""
    if not prompt:
        prompt = "\n".join(part.content for part in parameters.instruction_parts or ())
    outputs = {tool.name for tool in parameters.output_tools}
    parts = [part for message in messages[start:] for part in message.parts]
    return _Exchange(
        prompt=prompt,
        called=frozenset(part.tool_name for part in parts if isinstance(part, ToolCallPart)) - outputs,
        results=[part for part in parts if isinstance(part, ToolReturnPart) and part.tool_name not in outputs],
        message_count=len(messages),
    )


def _prompt(message: ModelMessage) -> str:
    if not isinstance(message, ModelRequest):
        return ""
    texts: list[str] = []
    for part in message.parts:
        if isinstance(part, UserPromptPart):
            pieces = [part.content] if isinstance(part.content, str) else part.content
            texts += [piece.content if isinstance(piece, TextContent) else piece
                      for piece in pieces if isinstance(piece, str | TextContent)]  # fmt: skip
    return "\n".join(texts)


# -- calling tools


def _calls(said: _Exchange, parameters: ModelRequestParameters) -> Iterator[ToolCallPart]:
    """Yield the calls that the prompt asks for: the tools that share most words with it first."""
    asked = {stem(word) for word in telling_words(said.prompt)}
    tools = [tool for tool in parameters.function_tools if parameters.visibility_of(tool.name) != "withheld"]
    fitting = [tool for tool in tools if _likeness(tool, asked)]
    count = 0
    for tool in sorted(fitting, key=lambda tool: -_likeness(tool, asked)):
        arguments = PromptArguments(said.prompt, _own_words(tool)).fill(tool.parameters_json_schema)
        if arguments is None:
            continue
        count += 1
        identity = f"rehearsal_{said.message_count}_{count}"
        yield ToolCallPart(tool_name=tool.name, args=arguments, tool_call_id=identity)
        if count == _MOST_CALLS:
            return


def _likeness(tool: ToolDefinition, asked: set[str]) -> int:
    by_name = asked & {stem(word) for word in words_of_name(tool.name)}
    by_description = asked & {stem(word) for word in telling_words(tool.description or "")}
    return _NAME_WEIGHT * len(by_name) + len(by_description - by_name)


def _own_words(tool: ToolDefinition) -> list[str]:
    return [*words_of_name(tool.name), *telling_words(tool.description or "")]


# -- answering


def _answer(said: _Exchange) -> str:
    if not said.results:
        return summarise(said.prompt, _SENTENCES)
    return "\n".join(_told(part) for part in said.results)


def _told(part: ToolReturnPart) -> str:
    text = _content(part)
    if len(text) > _LONGEST_RESULT:
        text = summarise(text, _SENTENCES)
    text = " ".join(text.split()) or "nothing"
    verb = "returned" if part.outcome == "success" else "gave no result"
    return f"{part.tool_name} {verb}: {text}"


def _content(part: ToolReturnPart) -> str:
    return part.content if isinstance(part.content, str) else part.model_response_str()


def _output_call(said: _Exchange, tools: Sequence[ToolDefinition]) -> ToolCallPart:
    name, filled = _filled(said, [(tool.name, tool.parameters_json_schema) for tool in tools])
    return ToolCallPart(tool_name=name, args=filled, tool_call_id=f"rehearsal_{said.message_count}_output")


def _filled(said: _Exchange, schemas: Sequence[tuple[str, dict[str, Any]]]) -> tuple[str, dict[str, Any]]:
    """Return the first of the outputs that can be filled from what tools returned, or else from the prompt."""
    text = "\n\n".join(map(_content, said.results)) or said.prompt
    refusal = ""
    for name, schema in schemas:
        try:
            return name, fill(text, schema)
        except AnswerInvalid as error:
            refusal = refusal or error.reason
    raise ModelUnusable(refusal)


# -- what it came to


def _details() -> dict[str, Any]:
    return {"notice": NOTICE}


def _finish_reason(parts: Sequence[ModelResponsePart]) -> Any:
    return "tool_call" if any(isinstance(part, ToolCallPart) for part in parts) else "stop"


def _usage(input_tokens: int, parts: Sequence[ModelResponsePart]) -> RequestUsage:
    output_tokens = sum(estimated_tokens(_words_of(part)) for part in parts)
    return RequestUsage(input_tokens=input_tokens, output_tokens=output_tokens, cost=Decimal(0))


def _input_tokens(messages: Sequence[ModelMessage]) -> int:
    return sum(estimated_tokens(_words_of(part)) for message in messages for part in message.parts)


def _words_of(part: object) -> str:
    if isinstance(part, ToolCallPart):
        return part.args_as_json_str()
    content = getattr(part, "content", "")
    return content if isinstance(content, str) else to_json(content, fallback=str).decode("utf-8", "replace")

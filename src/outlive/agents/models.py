"""The models of agents: one that serves calls in activities, and one that stands for it in workflow code."""

import asyncio
from collections.abc import Sequence
from typing import Any, Self

from pydantic_ai.messages import (
    ModelMessage,
    ModelResponse,
    ModelResponseStreamEvent,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ThinkingPart,
    ThinkingPartDelta,
)
from pydantic_ai.models import Model, ModelRequestParameters, parse_model_id
from pydantic_ai.models.function import FunctionModel
from pydantic_ai.models.instrumented import instrument_model
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_ai.profiles import ModelProfile
from pydantic_ai.providers import infer_provider_class
from pydantic_ai.settings import ModelSettings

from outlive.agents.pacing import in_turn
from outlive.agents.services import services
from outlive.agents.spending import Asked, paid, price_of
from outlive.contracts.events import EventKind
from outlive.effects.current import CurrentCall, current_call
from outlive.models.rehearsal import REHEARSAL_PROFILE
from outlive.models.tracing import model_tracing
from outlive.names import OFFLINE_MODEL

REQUIRES_END = "openai_chat_streaming_requires_finish_reason"


class ServingModel(WrapperModel):
    """Makes a model's call in an activity: under its key, within its time, its tokens told as they come."""

    def __init__(self, wrapped: Model[Any], *, cheaper: Sequence[str] = ()) -> None:
        """Wrap a model; ``cheaper`` are the names of those that a person is offered where no budget pays for it."""
        super().__init__(wrapped)
        self._cheaper = cheaper

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Make one call, and leave what it came to in the current call's facts."""
        call, offered = current_call.get(), services()
        if call is None or offered is None:
            return await self.wrapped.request(messages, model_settings, model_request_parameters)

        async def make(settings: ModelSettings | None) -> ModelResponse:
            keyed = _with_key(settings, call.key)
            async with asyncio.timeout(offered.settings.model_timeout):
                model = instrument_model(self.wrapped, model_tracing() or False)
                if _can_stream(model):
                    return await _streamed(model, call, messages, keyed, model_request_parameters)
                return await model.request(messages, keyed, model_request_parameters)

        asked = Asked(
            model=self.wrapped,
            messages=messages,
            settings=model_settings,
            parameters=model_request_parameters,
            cheaper=self._cheaper,
        )
        response = await in_turn(offered, self.wrapped, messages, lambda: paid(offered, call, asked, make))
        call.facts.update(
            model=response.model_name,
            input_tokens=response.usage.input_tokens,
            output_tokens=response.usage.output_tokens,
            usd_nanos=price_of(offered, response),
            finish=response.finish_reason,
        )
        return response


class SharedModel(WrapperModel):
    """A worker's model in workflow code: all that it knows, and never entered.

    Entering takes a lock of the provider, which calls in activities take too. A workflow that got it from one of them
    would keep it until something else happens in that run, and all calls of the worker to that model would wait.
    """

    async def __aenter__(self) -> Self:
        """Do nothing: the connections belong to the worker."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Do nothing."""


class StandIn(Model[Any]):
    """A model in workflow code, where none is ever called: its name and its profile are all that is wanted there."""

    def __init__(self, name: str) -> None:
        provider, model_name = parse_model_id(name)
        super().__init__(profile=_profile(provider, model_name))
        self._provider_name = provider or "outlive"
        self._name = model_name

    @property
    def model_name(self) -> str:
        """Name of the model."""
        return self._name

    @property
    def system(self) -> str:
        """Name of the provider."""
        return self._provider_name

    async def request(
        self,
        messages: list[ModelMessage],
        model_settings: ModelSettings | None,
        model_request_parameters: ModelRequestParameters,
    ) -> ModelResponse:
        """Refuse: calls are made by workers, in activities."""
        raise NotImplementedError


def _profile(provider: str | None, model_name: str) -> ModelProfile | None:
    if f"{provider}:{model_name}" == OFFLINE_MODEL:
        return REHEARSAL_PROFILE
    try:
        return infer_provider_class(provider or "").model_profile(model_name)
    except (ValueError, ImportError):
        return None


def _can_stream(model: Model[Any]) -> bool:
    """Whether a stream of this model is known to say so when it was cut off; else it is asked for the whole answer."""
    while isinstance(model, WrapperModel):
        model = model.wrapped
    if isinstance(model, FunctionModel):
        return model.stream_function is not None
    if isinstance(model, OpenAIChatModel):
        return bool(model.profile.get(REQUIRES_END))
    return type(model).request_stream is not Model.request_stream


async def _streamed(
    model: Model[Any],
    call: CurrentCall,
    messages: list[ModelMessage],
    model_settings: ModelSettings | None,
    parameters: ModelRequestParameters,
) -> ModelResponse:
    async with model.request_stream(messages, model_settings, parameters) as stream:
        async for event in stream:
            _tell(call, event)
    return stream.get()


def _with_key(settings: ModelSettings | None, key: str) -> ModelSettings:
    asked = ModelSettings(**settings) if settings else ModelSettings()
    asked["extra_headers"] = {"Idempotency-Key": key, **asked.get("extra_headers", {})}
    return asked


def _tell(call: CurrentCall, event: ModelResponseStreamEvent) -> None:
    if isinstance(event, PartStartEvent):
        if isinstance(event.part, TextPart) and event.part.content:
            call.tell(EventKind.TEXT_DELTA, {"text": event.part.content})
        elif isinstance(event.part, ThinkingPart) and event.part.content:
            call.tell(EventKind.THINKING_DELTA, {"text": event.part.content})
    elif isinstance(event, PartDeltaEvent):
        if isinstance(event.delta, TextPartDelta):
            call.tell(EventKind.TEXT_DELTA, {"text": event.delta.content_delta})
        elif isinstance(event.delta, ThinkingPartDelta) and event.delta.content_delta:
            call.tell(EventKind.THINKING_DELTA, {"text": event.delta.content_delta})

"""One attempt at one call: our request in Pydantic AI's terms, its answer or error in ours."""

import json
import re
from collections.abc import Sequence
from typing import Any

from pydantic_ai.direct import model_request
from pydantic_ai.exceptions import (
    ContentFilterError,
    ModelAPIError,
    ModelAuthenticationError,
    ModelContextWindowExceededError,
    ModelHTTPError,
    ModelOverloadedError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelRequestRejectedError,
    ModelUnavailableError,
    UnexpectedModelBehavior,
    UserError,
)
from pydantic_ai.messages import (
    InstructionPart,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    ToolCallPart,
    UserPromptPart,
)
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.settings import ModelSettings
from pydantic_ai.tools import ToolDefinition

from outlive.contracts.outcomes import Cause
from outlive.errors import CallError, CallRejected, ModelHalted
from outlive.models.answers import Answer, Request
from outlive.models.catalog import retries_are_off
from outlive.models.outputs import Output
from outlive.models.prices import Ceiling, Prices

_TOOL = "final_result"
_MOST_PARAMETERS = 256
_LONGEST_REASON = 400
_WHOLE = frozenset({"stop", "tool_call"})


class Retry(Exception):
    """The attempt failed in a way that another attempt may mend.

    Attributes:
        reason: What happened, for a person.
        refused: Whether the provider refused for lack of room, so that all calls have to hold back.
        wait: Seconds that the provider asked to wait, where it did.
    """

    def __init__(self, reason: str, *, refused: bool = False, wait: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.refused = refused
        self.wait = wait


class Exchange:
    """The calls to one model; all that does not change from call to call is made once.

    Attributes:
        context_tokens: How many tokens the model takes in one call; None where that is not known.
    """

    def __init__(self, name: str, model: Model[Any], prices: Prices) -> None:
        self.name = name
        self.model = model
        self.context_tokens = model.context_window
        self._prices = prices
        self._is_chat = isinstance(model, OpenAIChatModel)
        self._settings = None if retries_are_off(model) else ModelSettings(max_retries=0)
        self._parameters: dict[tuple[str, str | None], ModelRequestParameters] = {}

    async def attempt(self, request: Request) -> Answer:
        """Make the call once.

        Returns:
            The answer, also one that was cut short: its ``finish_reason`` is then ``length``.

        Raises:
            Retry: Another attempt may succeed.
            CallRejected: The provider refuses this request.
            ModelHalted: Every further call would fail as well.
        """
        settings = self._settings
        if request.idempotency_key is not None:
            settings = ModelSettings(**(settings or {}), extra_headers={"Idempotency-Key": request.idempotency_key})
        if request.max_output_tokens is not None:
            settings = ModelSettings(**(settings or {}), max_tokens=request.max_output_tokens)
        try:
            response = await model_request(
                self.model,
                _messages(request),
                model_settings=settings,
                model_request_parameters=self._parameters_for(request),
                instrument=False,
            )
        except (ModelAPIError, UnexpectedModelBehavior, UserError) as error:
            raise judged(error, self.name) from error
        return self._answer(response, request.output)

    def ceiling(self, input_tokens: int) -> Ceiling | None:
        """Return what a call of so much input may cost at most; None where the price is not known."""
        return self._prices.ceiling(self.model.model_name, self.model.system, self.model.base_url, input_tokens)

    def _parameters_for(self, request: Request) -> ModelRequestParameters:
        key = (request.output.digest, request.instruction)
        known = self._parameters.get(key)
        if known is None:
            if len(self._parameters) >= _MOST_PARAMETERS:
                self._parameters.clear()
            known = self._parameters[key] = _parameters(self.model, request.output, request.instruction)
        return known

    def _answer(self, response: ModelResponse, output: Output) -> Answer:
        finish_reason = response.finish_reason
        if finish_reason == "content_filter":
            raise CallRejected(Cause.REJECTED, f"{self.name} refused to answer: its content filter stopped it.")
        if self._is_chat and not (response.provider_details or {}).get("finish_reason"):
            finish_reason = None  # Pydantic AI takes a missing end for 'stop'; we do not
        if finish_reason == "error":
            raise Retry(f"{self.name} ended its answer with an error.")
        text = _text(response.parts, output)
        is_whole = finish_reason in _WHOLE
        if is_whole and not text.strip():
            raise Retry(f"{self.name} gave an empty answer.")
        usage = response.usage
        return Answer(
            text=text,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            usd_nanos=self._prices.usd_nanos(
                usage,
                response.model_name or self.model.model_name,
                response.provider_name or self.model.system,
                response.provider_url,
            )
            if usage.input_tokens or usage.output_tokens
            else None,
            model=self.name,
            finish_reason="stop" if is_whole else "length",
        )


def _messages(request: Request) -> list[ModelMessage]:
    messages: list[ModelMessage] = [ModelRequest(parts=[UserPromptPart(content=_sendable(request.text))])]
    for turn in request.turns:
        messages.append(ModelResponse(parts=[TextPart(content=_sendable(turn.answer))]))
        messages.append(ModelRequest(parts=[UserPromptPart(content=_sendable(turn.complaint))]))
    return messages


def _sendable(text: str) -> str:
    """Return the text with lone surrogates, which JSON in UTF-8 cannot hold, as question marks."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def _parameters(model: Model[Any], output: Output, instruction: str | None) -> ModelRequestParameters:
    parts = [InstructionPart(content=_sendable(instruction))] if instruction else []
    if output.schema is None:
        return ModelRequestParameters(instruction_parts=parts)
    profile = model.profile
    mode = "native" if profile.get("supports_json_schema_output") else profile.get("default_structured_output_mode")
    if mode == "native":
        definition = OutputObjectDefinition(json_schema=output.schema, name=output.name)
        return ModelRequestParameters(
            output_mode="native", output_object=definition, allow_text_output=False, instruction_parts=parts
        )
    if mode == "tool" and profile.get("supports_tools", True):
        tool = ToolDefinition(
            name=_TOOL,
            description=f"Gives the answer: {output.name}.",
            parameters_json_schema=output.schema,
            kind="output",
        )
        return ModelRequestParameters(
            output_mode="tool", output_tools=[tool], allow_text_output=False, instruction_parts=parts
        )
    definition = OutputObjectDefinition(json_schema=output.schema, name=output.name)
    return ModelRequestParameters(
        output_mode="prompted", output_object=definition, allow_text_output=True, instruction_parts=parts
    )


def _text(parts: Sequence[object], output: Output) -> str:
    if not output.is_text:
        for part in parts:
            if isinstance(part, ToolCallPart):
                return part.args if isinstance(part.args, str) else json.dumps(part.args)
    return "".join(part.content for part in parts if isinstance(part, TextPart))


def judged(error: Exception, name: str) -> CallError | Retry:
    """Return what an error of Pydantic AI means for the document, the batch and the next attempt."""
    reason = _reason(error)
    halt = _halt_advice(error)
    if halt is not None:
        return ModelHalted(Cause.MODEL_HALTED, f"{name}: {halt[0]} ({reason}). {halt[1]}")
    if isinstance(error, ModelContextWindowExceededError):
        return CallRejected(Cause.TOO_LONG, f"{name}: longer than the model's context ({reason}).")
    if isinstance(error, ModelRequestRejectedError | ContentFilterError | UserError) or _is_refusal(error):
        return CallRejected(Cause.REJECTED, f"{name} refused the request: {reason}")
    return _retry(error, reason)


def _halt_advice(error: Exception) -> tuple[str, str] | None:
    """Return what is wrong and what to do, where every further call would fail the same way."""
    if isinstance(error, ModelQuotaExceededError):
        return "the account's quota or credit is used up", "Top it up, then resume."
    if isinstance(error, ModelAuthenticationError):
        return "the provider refused the key", "Set a valid key, restart the workers, then resume."
    if getattr(error, "provider_error_code", None) == "model_not_found":
        return "the provider does not know this model", "Start a batch with another model."
    return None


_TRANSIENT = frozenset({408, 409, 425, 429, 499})


def _is_refusal(error: Exception) -> bool:
    return isinstance(error, ModelHTTPError) and 400 <= error.status_code < 500 and error.status_code not in _TRANSIENT


def _retry(error: Exception, reason: str) -> Retry:
    wait = getattr(error, "retry_after", None)
    limited = isinstance(error, ModelRateLimitError)
    if limited and wait is None and isinstance(error, ModelHTTPError):
        wait = _reset_wait(error.headers or {})
    # An overloaded provider that names a time wants it from everyone, not from this one call.
    refused = limited or isinstance(error, ModelOverloadedError)
    return Retry(reason, refused=refused or (isinstance(error, ModelUnavailableError) and wait is not None), wait=wait)


def _reason(error: Exception) -> str:
    body = getattr(error, "body", None)
    if isinstance(error, ModelHTTPError):
        inner = body.get("error", body) if isinstance(body, dict) else body
        message = inner.get("message") if isinstance(inner, dict) else inner
        text = f"status {error.status_code}: {message}" if message else f"status {error.status_code}"
    else:
        text = str(error) or type(error).__name__
    text = " ".join(str(text).split())
    return text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…"


_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_UNIT_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def _reset_wait(headers: dict[str, str]) -> float | None:
    """Return the seconds until the limits that are used up begin anew, from OpenAI's ``x-ratelimit-*`` headers."""
    waits = [
        sum(float(count) * _UNIT_SECONDS[unit] for count, unit in _DURATION.findall(headers[f"x-ratelimit-reset-{of}"]))
        for of in ("requests", "tokens")
        if headers.get(f"x-ratelimit-remaining-{of}", "0") == "0" and headers.get(f"x-ratelimit-reset-{of}")
    ]
    return max(waits, default=None)

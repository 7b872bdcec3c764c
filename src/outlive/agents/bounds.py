"""What a model call may come to at most, before it is made."""

import re
from collections.abc import Sequence
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.fallback import FallbackModel
from pydantic_ai.models.wrapper import WrapperModel
from pydantic_core import to_json

from outlive.models.prices import Ceiling, Prices

OVERHEAD_TOKENS = 600  # what providers add of their own: the words that introduce tools, the marks between messages
FILE_TOKENS = 20_000  # of an image or another file: known only when the provider has read it
_FILE = re.compile(rb'"kind":"(?:image-url|audio-url|video-url|document-url|uploaded-file|binary)"')


def most_input_tokens(model: Model[Any], messages: Sequence[ModelMessage], parameters: ModelRequestParameters) -> int:
    """Return an upper bound of the input of a call.

    What the same model has counted of the conversation is taken as counted. Of the rest a token has at least a byte.
    """
    counted, rest = 0, list(messages)
    for place in range(len(messages) - 1, -1, -1):
        message = messages[place]
        if isinstance(message, ModelResponse) and message.usage.input_tokens and _is_of(message, model):
            counted = message.usage.input_tokens + message.usage.output_tokens
            rest = list(messages[place + 1 :])
            break
    dumped = ModelMessagesTypeAdapter.dump_json(rest)
    tokens = counted + len(dumped) + FILE_TOKENS * len(_FILE.findall(dumped)) + OVERHEAD_TOKENS
    if not counted:
        described = (
            parameters.function_tools,
            parameters.output_tools,
            parameters.output_object,
            parameters.instruction_parts,
        )
        tokens += len(to_json(described, fallback=repr))
    return tokens


def ceiling(prices: Prices, model: Model[Any], input_tokens: int) -> Ceiling | None:
    """Return what a call may cost at most; None where a model that may answer it has no known price."""
    model = _innermost(model)
    if isinstance(model, FallbackModel):
        found = [ceiling(prices, one, input_tokens) for one in model.models]
        known = [one for one in found if one is not None]
        if len(known) < len(found):
            return None
        return Ceiling(base=max(one.base for one in known), output=max(one.output for one in known))
    if model.system == "offline":
        return Ceiling(base=0, output=0)
    return prices.ceiling(model.model_name, model.system, model.base_url, input_tokens)


def _innermost(model: Model[Any]) -> Model[Any]:
    while isinstance(model, WrapperModel):
        model = model.wrapped
    return model


def _is_of(response: ModelResponse, model: Model[Any]) -> bool:
    """Whether a response was counted by the model's own tokens; its name there may say more than was asked for."""
    return bool(response.model_name) and (response.model_name or "").startswith(_innermost(model).model_name)

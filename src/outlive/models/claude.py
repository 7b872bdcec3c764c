"""What is particular to Anthropic's client. A module of its own: importing their SDK takes more than a second."""

from typing import Any

from anthropic import AnthropicError, APIStatusError, AsyncAnthropic
from pydantic_ai.models import Model
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.providers import Provider
from pydantic_ai.settings import ModelSettings

_ANSWER_TOKENS = 16_000

__all__ = ["APIStatusError", "AnthropicError", "AsyncAnthropic", "fitted"]


def fitted(model: Model[Any], model_name: str, provider: Provider[Any]) -> Model[Any]:
    """Return the model with a limit to its answers that needs no stream.

    Pydantic AI would ask for the model's largest output, which Anthropic gives only as a stream, at several times the
    CPU.
    """
    if type(model) is not AnthropicModel:
        return model
    return AnthropicModel(model_name, provider=provider, settings=ModelSettings(max_tokens=_ANSWER_TOKENS))

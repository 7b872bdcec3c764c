"""From a model's name to a Pydantic AI model, built once; and whether it can be used at all.

``openai:`` means chat completions, whatever address it goes to: that is what OpenAI-compatible servers speak
(``OPENAI_BASE_URL``). ``openai-responses:`` means OpenAI's Responses API.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import openai
from openai import AsyncOpenAI
from pydantic_ai.exceptions import UserError
from pydantic_ai.models import Model, ModelRequestParameters, infer_model, parse_model_id
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers import Provider, infer_provider_class

from outlive.errors import ModelUnusable
from outlive.models.keys import key_variables
from outlive.models.transport import LeanOpenAI, Transport

_OLLAMA_ADDRESS = "http://127.0.0.1:11434/v1"
_MOST_PREPARED = 256
_CHECK_SECONDS = 10.0


class ChatModel(OpenAIChatModel):
    """`OpenAIChatModel` that fits one schema to the provider once, not for every call."""

    def customize_request_parameters(self, model_request_parameters: ModelRequestParameters) -> ModelRequestParameters:
        """Return the parameters as the provider wants them; the same object gives the same result."""
        key = id(model_request_parameters)
        known = self._prepared.get(key)
        if known is None or known.given is not model_request_parameters:
            if len(self._prepared) >= _MOST_PREPARED:
                self._prepared.clear()
            fitted = super().customize_request_parameters(model_request_parameters)
            known = self._prepared[key] = _Prepared(model_request_parameters, fitted)
        return known.fitted

    @property
    def _prepared(self) -> "dict[int, _Prepared]":
        prepared: dict[int, _Prepared] = self.__dict__.setdefault("_prepared_parameters", {})
        return prepared


@dataclass(frozen=True, slots=True)
class _Prepared:
    given: ModelRequestParameters
    fitted: ModelRequestParameters


def build(name: str, transport: Transport) -> Model[Any]:
    """Return the Pydantic AI model of that name, over this process's connections, its own retries off.

    Raises:
        ModelUnusable: Unknown provider or model, missing key, or missing package; says what to do.
    """
    provider_name, model_name = parse_model_id(name)
    if not provider_name or not model_name:
        raise ModelUnusable(f"{name!r} is not a model name. Write provider and model, as in 'openai:gpt-5-mini'.")
    kind = "openai-chat" if provider_name == "openai" else provider_name
    try:
        provider_class = infer_provider_class(kind)
        provider = _provider(kind, provider_class, transport)
        model = infer_model(f"{kind}:{model_name}", provider_factory=lambda _: provider)
    except ImportError as error:
        extra = "google" if provider_name.startswith("google") else provider_name
        raise ModelUnusable(
            f"The model {name!r} needs a package that is not installed: {error}. "
            f"Install it, as in `pip install 'pydantic-ai-slim[{extra}]'`."
        ) from error
    except ValueError as error:
        raise ModelUnusable(
            f"Unknown provider {provider_name!r} in the model name {name!r}. "
            "Known ones are openai, anthropic, google, ollama, openrouter, mistral, groq and others of Pydantic AI."
        ) from error
    except (UserError, openai.OpenAIError) as error:
        raise ModelUnusable(f"The model {name!r} cannot be used: {_first_sentence(error)}") from error
    return _fitted(model, model_name, provider)


def _fitted(model: Model[Any], model_name: str, provider: Provider[Any]) -> Model[Any]:
    """Return the model with what a batch needs: a stream without its end is an error."""
    if _is_claude(model):
        from outlive.models import claude

        return claude.fitted(model, model_name, provider)
    if not isinstance(model, OpenAIChatModel):
        return model
    profile = OpenAIModelProfile(openai_chat_streaming_requires_finish_reason=True)
    if type(model) is OpenAIChatModel:
        return ChatModel(model_name, provider=provider, profile=profile)
    return type(model)(model_name, provider=provider, profile=profile)


def _provider(kind: str, provider_class: type[Provider[Any]], transport: Transport) -> Provider[Any]:
    takes = inspect.signature(provider_class).parameters
    given: dict[str, Any] = {"http_client": transport.http_client} if "http_client" in takes else {}
    if kind == "ollama" and not key_variables("ollama").is_set:
        given["base_url"] = _OLLAMA_ADDRESS
    provider = provider_class(**given)
    client = provider.client
    if "openai_client" in takes and isinstance(client, AsyncOpenAI):
        lean = type(client) is AsyncOpenAI and isinstance(client.api_key, str)
        own = LeanOpenAI(client, transport) if lean else client.with_options(max_retries=0, timeout=transport.timeout)
        return _around(provider_class, openai_client=own)
    if "anthropic_client" in takes:
        own = client.with_options(max_retries=0, timeout=transport.timeout)
        return _around(provider_class, anthropic_client=own)
    return provider


def _around(provider_class: Callable[..., Provider[Any]], **client: object) -> Provider[Any]:
    return provider_class(**client)


def retries_are_off(model: Model[Any]) -> bool:
    """Whether the model's client is known to try each request once, so that nothing need be set per call."""
    return getattr(getattr(model, "client", None), "max_retries", None) == 0


async def check(name: str, model: Model[Any]) -> None:
    """Ask the provider whether key and model are good, where that costs nothing; let pass what stays unclear.

    Raises:
        ModelUnusable: The provider refused the key, or does not know the model.
    """
    client = getattr(model, "client", None)
    refusal: type[Exception] = openai.APIStatusError
    failure: type[Exception] = openai.OpenAIError
    if _is_claude(model):
        from outlive.models import claude

        refusal, failure = claude.APIStatusError, claude.AnthropicError
        if not isinstance(client, claude.AsyncAnthropic):
            return
    elif not isinstance(client, AsyncOpenAI):
        return
    try:
        await client.models.retrieve(model.model_name, timeout=_CHECK_SECONDS)
    except refusal as error:
        _judge(name, model, error)
    except (failure, ValueError):
        return  # no connection, or a server without this endpoint: the first call will tell


def _is_claude(model: Model[Any]) -> bool:
    return type(model).__module__.startswith("pydantic_ai.models.anthropic")


def _judge(name: str, model: Model[Any], error: Any) -> None:
    may_not_list = error.status_code == 403 and "scope" in str(error.body).lower()  # a key for completions alone
    if error.status_code in {401, 403} and not may_not_list:
        raise ModelUnusable(
            f"The provider refused the key for {name!r} with status {error.status_code}. "
            f"Set {key_variables(name).describe()} to a valid key."
        ) from error
    if error.status_code == 404 and error.body and _is_the_providers_own(model):
        raise ModelUnusable(f"The provider does not know the model {name!r}. Check its name.") from error


def _is_the_providers_own(model: Model[Any]) -> bool:
    return (model.base_url or "").startswith(("https://api.openai.com/", "https://api.anthropic.com"))


def _first_sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    head, dot, _ = text.partition(". ")
    return f"{head}{dot.strip()}"

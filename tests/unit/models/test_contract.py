"""What we rely on in `pydantic-ai` and `openai` beyond their plain use. When one of these fails, read
docs/decisions/models-client.md before the upgrade.
"""

from typing import Any

import pytest
from genai_prices import calc_price
from genai_prices.data_snapshot import get_snapshot
from openai import AsyncOpenAI
from openai.resources.chat import AsyncChat, AsyncCompletions
from pydantic_ai.direct import model_request
from pydantic_ai.exceptions import ModelAPIError
from pydantic_ai.messages import InstructionPart, ModelRequest
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.output import OutputObjectDefinition
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.settings import ModelSettings
from pydantic_ai.usage import RequestUsage

from outlive.models.catalog import ChatModel
from outlive.models.prices import Prices
from outlive.models.transport import LeanOpenAI, Transport

SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}


def parameters() -> ModelRequestParameters:
    return ModelRequestParameters(
        output_mode="native",
        output_object=OutputObjectDefinition(json_schema=SCHEMA, name="Size"),
        allow_text_output=False,
        instruction_parts=[InstructionPart(content="Do.")],
    )


async def ask(client: AsyncOpenAI, kind: type[OpenAIChatModel], settings: ModelSettings | None = None) -> Any:
    model = kind("gpt-5-mini", provider=OpenAIProvider(openai_client=client))
    prompt = [ModelRequest.user_text_prompt("naïve 数 \ud83d\ude00".encode("utf-16", "surrogatepass").decode("utf-16"))]
    return await model_request(model, prompt, model_settings=settings, model_request_parameters=parameters())


def test_the_sdk_still_looks_its_chat_completions_up_where_we_put_ours():
    assert isinstance(AsyncOpenAI.__dict__["chat"], type(LeanOpenAI.__dict__["chat"]))
    assert isinstance(AsyncChat.__dict__["completions"], type(LeanOpenAI.__dict__["chat"]))
    assert "create" in vars(AsyncCompletions)


def test_pydantic_ai_still_fits_schemas_in_the_method_that_we_override():
    assert "customize_request_parameters" in vars(Model)


@pytest.mark.parametrize(
    "settings",
    [None, ModelSettings(max_tokens=50, seed=7, extra_headers={"X-A": "1"}, extra_body={"more": [1]})],
)
async def test_the_lean_client_sends_what_the_sdk_sends_and_reads_what_it_reads(provider, settings):
    provider.script = [provider.says({"n": 1}, service_tier="odd")]
    transport = Transport(10)
    plain = AsyncOpenAI(max_retries=0)

    theirs = await ask(plain, OpenAIChatModel, settings)
    ours = await ask(LeanOpenAI(plain, transport), ChatModel, settings)
    await plain.close()
    await transport.aclose()

    assert provider.requests[0] == provider.requests[1]
    ignored = {"user-agent", "content-length", "connection", "accept-encoding", "host"}
    left, right = (
        {name: value for name, value in headers.items() if name not in ignored and not name.startswith("x-stainless")}
        for headers in provider.headers
    )
    assert left == right
    assert ours.parts == theirs.parts
    assert (ours.usage, ours.finish_reason) == (theirs.usage, theirs.finish_reason)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "no", "code": "bad", "type": "invalid_request_error"}}),
        (401, {"error": {"message": "no", "code": "invalid_api_key"}}),
        (404, {"error": {"message": "no", "code": "model_not_found"}}),
        (429, {"error": {"message": "no", "code": "insufficient_quota", "type": "insufficient_quota"}}),
        (429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}),
        (500, "<html>oops</html>"),
        (503, {"error": "busy"}),
        (200, "no JSON"),
        (200, "{}"),
    ],
)
async def test_the_lean_client_fails_as_the_sdk_fails(provider, status, body):
    provider.script = [provider.sends(status, body, retry_after="7")]
    transport = Transport(10)
    plain = AsyncOpenAI(max_retries=0)
    errors = []
    for client in (plain, LeanOpenAI(plain, transport)):
        with pytest.raises(Exception) as caught:
            await ask(client, OpenAIChatModel)
        errors.append(caught.value)
    await plain.close()
    await transport.aclose()

    theirs, ours = errors
    assert type(ours).__mro__ == type(theirs).__mro__
    if isinstance(theirs, ModelAPIError):
        assert getattr(ours, "retry_after", None) == getattr(theirs, "retry_after", None)
        assert (ours.provider_error_code, ours.body) == (theirs.provider_error_code, theirs.body)


async def test_the_lean_client_leaves_streams_to_the_sdk(provider):
    provider.script = [provider.sends(400, {"error": {"message": "streamed"}})]
    transport = Transport(10)
    client = LeanOpenAI(AsyncOpenAI(max_retries=0), transport)

    with pytest.raises(Exception, match="streamed"):
        await client.chat.completions.create(model="m", messages=[], stream=True)
    await transport.aclose()

    assert provider.requests[0]["stream"] is True
    assert provider.headers[0]["authorization"] == "Bearer sk-test"


def test_prices_are_the_librarys_for_every_model_that_it_knows():
    prices = Prices()
    compared = 0
    wrong = []
    for provider in get_snapshot().providers:
        for model in provider.models:
            for usage in (
                RequestUsage(input_tokens=1234, output_tokens=567),
                RequestUsage(input_tokens=300_000, output_tokens=1, cache_read_tokens=200_001),
                RequestUsage(input_tokens=5000, output_tokens=100, cache_write_tokens=1000),
            ):
                try:
                    expected = calc_price(usage, model.id, provider_id=provider.id).total_price
                except (LookupError, ValueError):
                    continue
                found = prices.usd_nanos(usage, model.id, provider.id, None)
                compared += 1
                if found is None or abs(found - expected * 1_000_000_000) > 1:
                    wrong.append((provider.id, model.id, usage, found, expected))

    assert wrong == []
    assert compared > 500


def test_counts_that_contradict_each_other_have_no_price():
    usage = RequestUsage(input_tokens=1, output_tokens=1, cache_read_tokens=100)

    assert Prices().usd_nanos(usage, "gpt-4o-mini", "openai", None) is None


def test_a_model_that_the_library_does_not_know_has_no_price():
    assert (
        Prices().usd_nanos(RequestUsage(input_tokens=1, output_tokens=1), "house-blend", "nobody", "http://x") is None
    )

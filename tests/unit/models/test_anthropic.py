"""The other big provider: its own SDK, on our connections."""

import pytest
from pydantic import BaseModel

from outlive.contracts.outcomes import Cause
from outlive.errors import AnswerInvalid, ModelHalted, ModelOverloaded
from outlive.models.answers import Request
from outlive.models.llm import Llm
from outlive.models.outputs import prepare_output

NATIVE = "anthropic:claude-haiku-4-5"
TOOLS_ONLY = "anthropic:claude-3-haiku-20240307"


class Size(BaseModel):
    n: int


def message(*content: dict[str, object], stop_reason: str = "end_turn", model: str = "claude-haiku-4-5") -> dict:
    usage = {"input_tokens": 1000, "output_tokens": 100}
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": list(content),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": usage,
    }


async def test_an_answer_carries_its_tokens_and_its_price(provider, models):
    provider.script = [provider.sends(200, message({"type": "text", "text": "fine"}))]

    answer = await models.ask(Request(model=NATIVE, text="x", instruction="Summarise."))

    assert (answer.text, answer.input_tokens, answer.output_tokens) == ("fine", 1000, 100)
    assert answer.usd_nanos == 1_500_000  # $1 and $5 per million
    assert "sk-ant-test" in (provider.headers[0].get("authorization") or provider.headers[0]["x-api-key"])
    assert "stream" not in provider.requests[0] or provider.requests[0]["stream"] is False


@pytest.mark.filterwarnings("ignore:The model:DeprecationWarning")  # old models are the ones without native output
async def test_a_model_without_native_output_answers_through_a_tool(provider, models):
    call = {"type": "tool_use", "id": "t1", "name": "final_result", "input": {"n": 4}}
    provider.script = [provider.sends(200, message(call, stop_reason="tool_use"))]

    result = await Llm(models, model=TOOLS_ONLY, output=prepare_output(Size))("x")

    assert result == Size(n=4)
    assert provider.requests[0]["tools"][0]["name"] == "final_result"


async def test_a_cut_answer_is_an_error(provider, models):
    provider.script = [provider.sends(200, message({"type": "text", "text": "ha"}, stop_reason="max_tokens"))]

    with pytest.raises(AnswerInvalid) as caught:
        await models.ask(Request(model=NATIVE, text="x"))

    assert caught.value.cause == Cause.CUT_SHORT


async def test_the_sdk_does_not_retry_on_its_own(provider, models):
    provider.script = [provider.sends(529, {"type": "error", "error": {"type": "overloaded_error", "message": "busy"}})]

    with pytest.raises(ModelOverloaded, match="3 attempts"):
        await models.ask(Request(model=NATIVE, text="x"))

    assert len(provider.requests) == models.settings.model_attempts


async def test_a_refused_key_halts(provider, models):
    error = {"type": "error", "error": {"type": "authentication_error", "message": "invalid x-api-key"}}
    provider.script = [provider.sends(401, error)]

    with pytest.raises(ModelHalted, match="invalid x-api-key"):
        await models.ask(Request(model=NATIVE, text="x"))


@pytest.mark.parametrize("fault", ["breaks_off", "disconnects"])
async def test_a_connection_lost_on_the_way_is_tried_again(provider, models, fault):
    provider.script = [getattr(provider, fault), provider.sends(200, message({"type": "text", "text": "whole"}))]

    assert (await models.ask(Request(model=NATIVE, text="x"))).text == "whole"

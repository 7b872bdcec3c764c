"""Google by its own client."""

import pytest

from outlive.contracts.outcomes import Cause
from outlive.errors import AnswerInvalid, ModelHalted, ModelOverloaded
from outlive.models.answers import Request

MODEL = "google:gemini-2.5-flash"
ASK = Request(model=MODEL, text="x", instruction="Summarise.", idempotency_key="k/1")

pytest.importorskip("google.genai")


@pytest.fixture(autouse=True)
def google(provider, monkeypatch):
    monkeypatch.setenv("GOOGLE_API_KEY", "g-test")
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", provider.url.removesuffix("/v1"))


def content(text: str, finish_reason: str | None = "STOP") -> dict:
    candidate = {"content": {"role": "model", "parts": [{"text": text}]}, "index": 0}
    if finish_reason:
        candidate["finishReason"] = finish_reason
    usage = {"promptTokenCount": 1000, "candidatesTokenCount": 100, "totalTokenCount": 1100}
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-2.5-flash"}


async def test_an_answer_carries_its_tokens_and_its_price(provider, models):
    provider.script = [provider.sends(200, content("fine"))]

    answer = await models.ask(ASK)

    assert (answer.text, answer.input_tokens, answer.output_tokens) == ("fine", 1000, 100)
    assert answer.usd_nanos == 550_000  # $0.30 and $2.50 per million
    assert provider.headers[0]["idempotency-key"] == "k/1"


@pytest.mark.parametrize("finish_reason", ["MAX_TOKENS", None])
async def test_a_cut_answer_is_an_error(provider, models, finish_reason):
    provider.script = [provider.sends(200, content("ha", finish_reason))]

    with pytest.raises(AnswerInvalid) as caught:
        await models.ask(ASK)

    assert caught.value.cause == Cause.CUT_SHORT


async def test_the_sdk_does_not_retry_on_its_own(provider, models):
    provider.script = [provider.sends(503, {"error": {"code": 503, "message": "busy", "status": "UNAVAILABLE"}})]

    with pytest.raises(ModelOverloaded, match="3 attempts"):
        await models.ask(ASK)

    assert len(provider.requests) == models.settings.model_attempts


async def test_a_refused_key_halts(provider, models):
    error = {"error": {"code": 403, "message": "denied", "status": "PERMISSION_DENIED"}}
    provider.script = [provider.sends(403, error)]

    with pytest.raises(ModelHalted):
        await models.ask(ASK)

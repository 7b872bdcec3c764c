import asyncio
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from outlive.contracts.outcomes import Cause
from outlive.errors import AnswerInvalid, CallRejected, ModelHalted, ModelOverloaded, ModelUnusable
from outlive.models.answers import Request
from outlive.models.calls import Models
from outlive.models.outputs import prepare_output
from outlive.settings import Settings

MODEL = "openai:gpt-4o-mini"
ASK = Request(model=MODEL, text="a document", instruction="Summarise.")


async def test_an_answer_carries_its_tokens_and_its_price(provider, models):
    answer = await models.ask(ASK)

    assert (answer.text, answer.model, answer.finish_reason) == ("fine", MODEL, "stop")
    assert (answer.input_tokens, answer.output_tokens) == (1000, 200)
    assert answer.usd_nanos == 270_000  # 1000 x $0.15 and 200 x $0.60 per million
    assert provider.requests[0]["model"] == "gpt-4o-mini"


async def test_instruction_and_text_reach_the_model_apart(provider, models):
    await models.ask(ASK)

    assert provider.requests[0]["messages"] == [
        {"role": "system", "content": "Summarise."},
        {"role": "user", "content": "a document"},
    ]


async def test_a_text_that_is_not_quite_unicode_is_sent_all_the_same(provider, models):
    await models.ask(Request(model=MODEL, text="naïve \ud83d 数", instruction="\udcff"))

    assert provider.texts() == ["naïve ? 数"]


async def test_an_unknown_price_is_none_and_never_zero(provider, models):
    provider.script = [provider.says("fine", model="house-blend-7b")]

    answer = await models.ask(Request(model="openai:house-blend-7b", text="x"))

    assert answer.usd_nanos is None


async def test_a_price_is_unknown_where_the_provider_reports_no_tokens(provider, models):
    provider.script = [provider.says("fine", usage=None)]

    assert (await models.ask(ASK)).usd_nanos is None


@pytest.mark.parametrize("status", [500, 502, 503, 504, 529, 429, 408])
async def test_a_passing_failure_is_tried_again(provider, models, status):
    provider.script = [provider.sends(status, retry_after="0"), provider.says("now")]

    assert (await models.ask(ASK)).text == "now"
    assert len(provider.requests) == 2


async def test_a_provider_that_stays_overloaded_ends_the_call_after_all_attempts(provider, models):
    provider.script = [provider.sends(503)]

    with pytest.raises(ModelOverloaded, match="status 503") as caught:
        await models.ask(ASK)

    assert caught.value.cause == Cause.MODEL_UNAVAILABLE
    assert len(provider.requests) == 3


async def test_a_wait_that_the_provider_asked_for_is_reported(provider, models):
    provider.script = [provider.sends(429, retry_after_ms="20")]

    with pytest.raises(ModelOverloaded) as caught:
        await models.ask(ASK)

    assert caught.value.retry_after == timedelta(milliseconds=20)


@pytest.mark.parametrize("status", [400, 404, 413, 422])
async def test_a_rejected_request_is_never_sent_again(provider, models, status):
    provider.script = [provider.sends(status, {"error": {"message": "no such thing"}})]

    with pytest.raises(CallRejected, match="no such thing") as caught:
        await models.ask(ASK)

    assert caught.value.cause == Cause.REJECTED
    assert len(provider.requests) == 1


async def test_a_text_that_the_provider_finds_too_long_says_so(provider, models):
    error = {"code": "context_length_exceeded", "type": "invalid_request_error", "message": "maximum context length"}
    provider.script = [provider.sends(400, {"error": error})]

    with pytest.raises(CallRejected) as caught:
        await models.ask(ASK)

    assert caught.value.cause == Cause.TOO_LONG


@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_halts_the_model_at_once(provider, models, status):
    provider.script = [provider.sends(status, {"error": {"message": "Incorrect API key", "code": "invalid_api_key"}})]

    with pytest.raises(ModelHalted, match="key"):
        await models.ask(ASK)

    assert len(provider.requests) == 1


@pytest.mark.parametrize("status", [402, 429])
async def test_a_used_up_quota_halts_the_model_and_is_not_retried(provider, models, status):
    error = {"code": "insufficient_quota", "type": "insufficient_quota", "message": "You exceeded your current quota"}
    provider.script = [provider.sends(status, {"error": error})]

    with pytest.raises(ModelHalted, match="quota"):
        await models.ask(ASK)

    assert len(provider.requests) == 1


async def test_a_model_that_the_provider_does_not_know_halts(provider, models):
    provider.script = [provider.sends(404, {"error": {"code": "model_not_found", "message": "does not exist"}})]

    with pytest.raises(ModelHalted, match="does not know this model"):
        await models.ask(ASK)


async def test_a_provider_that_asks_to_wait_for_an_hour_halts_the_model(provider, models):
    provider.script = [provider.sends(429, retry_after="3600")]

    with pytest.raises(ModelHalted, match="3600 s"):
        await models.ask(ASK)

    assert len(provider.requests) == 1


async def test_a_content_filter_rejects_the_document(provider, models):
    provider.script = [provider.says("", finish_reason="content_filter")]

    with pytest.raises(CallRejected, match="content filter"):
        await models.ask(ASK)


@pytest.mark.parametrize("finish_reason", ["length", None])
async def test_an_answer_cut_short_is_an_error_and_never_a_result(provider, models, finish_reason):
    provider.script = [provider.says("half an ans", finish_reason=finish_reason)]

    with pytest.raises(AnswerInvalid) as caught:
        await models.ask(ASK)

    assert caught.value.cause == Cause.CUT_SHORT


@pytest.mark.parametrize("body", ['{"id": "chatcmpl-1", "choices": [{"mess', "<html>busy</html>", "[]", "{}", ""])
async def test_a_body_that_is_no_completion_is_asked_for_again(provider, models, body):
    provider.script = [provider.sends(200, body), provider.says("whole")]

    assert (await models.ask(ASK)).text == "whole"
    assert len(provider.requests) == 2


@pytest.mark.parametrize("fault", ["breaks_off", "disconnects"])
async def test_a_connection_lost_on_the_way_is_tried_again(provider, models, fault):
    provider.script = [getattr(provider, fault), provider.says("whole")]

    assert (await models.ask(ASK)).text == "whole"
    assert len(provider.requests) == 2


async def test_an_empty_answer_is_asked_for_again(provider, models):
    provider.script = [provider.says(""), provider.says("something")]

    assert (await models.ask(ASK)).text == "something"


async def test_a_stalled_call_ends_at_its_timeout(provider):
    provider.script = [provider.hangs]
    async with Models(Settings(model_attempts=2, model_timeout=0.5), first_backoff=0.001) as models:
        with pytest.raises(ModelOverloaded, match=r"within 0\.5 s"):
            await models.ask(ASK)

    assert len(provider.requests) == 2


async def test_a_provider_that_is_not_there_ends_the_call_after_all_attempts(models, monkeypatch, unused_port):
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{unused_port}/v1")

    with pytest.raises(ModelOverloaded, match="3 attempts"):
        await models.ask(ASK)


async def test_a_redirect_is_not_followed_with_the_key(provider, models):
    provider.script = [provider.sends(302, location="http://127.0.0.1:9/")]

    with pytest.raises(ModelOverloaded):
        await models.ask(ASK)


async def test_each_attempt_at_a_call_has_the_same_idempotency_key(provider, models):
    provider.script = [provider.sends(500), provider.says()]

    await models.ask(Request(model=MODEL, text="x", idempotency_key="batch/a/7"))

    assert [headers["idempotency-key"] for headers in provider.headers] == ["batch/a/7", "batch/a/7"]


async def test_a_refusal_with_a_time_holds_back_all_calls_of_the_model(provider, models):
    until = 0.0

    async def limited(_: web.Request) -> web.StreamResponse:
        nonlocal until
        now = time.monotonic()
        if not until:
            until = now + 0.3
            return web.Response(status=429, headers={"retry-after-ms": "300"})
        early.append(now < until - 0.02)
        return await provider.says()(_)

    early: list[bool] = []
    provider.script = [limited]
    await models.prepare(MODEL)
    first = asyncio.create_task(models.ask(ASK))
    while not models.throttle(MODEL).refusals:  # noqa: ASYNC110 - waits for a state
        await asyncio.sleep(0.005)

    await asyncio.gather(first, *(models.ask(ASK) for _ in range(20)))

    assert len(early) == 21
    assert not any(early)


async def test_a_provider_with_a_real_rate_limit_refuses_few_calls_after_the_first_burst(provider):
    rate, burst = 200.0, 20.0
    bucket, filled_at = burst, time.monotonic()
    refused: list[int] = []

    async def limited(request: web.Request) -> web.StreamResponse:
        nonlocal bucket, filled_at
        now = time.monotonic()
        bucket, filled_at = min(burst, bucket + (now - filled_at) * rate), now
        if bucket < 1:
            refused.append(len(provider.requests))
            return web.Response(status=429, headers={"retry-after-ms": "100"})
        bucket -= 1
        await asyncio.sleep(0.02)
        return await provider.says()(request)

    provider.script = [limited]
    async with Models(Settings(model_attempts=12)) as models:
        answers = await asyncio.gather(*(models.ask(ASK) for _ in range(60)))
        first = len(refused)
        answers += await asyncio.gather(*(models.ask(ASK) for _ in range(300)))

    assert len(answers) == 360
    assert first <= 80  # the first burst finds the limit
    assert len(refused) - first <= 60  # 300 further calls keep near it


async def test_a_date_as_retry_after_is_understood(provider, models):
    date = format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True)
    provider.script = [provider.sends(429, retry_after=date)]

    with pytest.raises(ModelHalted, match="wait 7"):
        await models.ask(ASK)


async def test_reset_headers_stand_in_for_a_missing_retry_after(provider, models):
    headers = {"x_ratelimit_remaining_requests": "0", "x_ratelimit_reset_requests": "20m0s"}
    provider.script = [provider.sends(429, **headers)]

    with pytest.raises(ModelHalted, match="1200 s"):
        await models.ask(ASK)


async def test_native_structured_output_sends_the_schema_and_returns_json(provider, models):
    output = prepare_output(
        {"type": "object", "title": "Size", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    )
    provider.script = [provider.says({"n": 3})]

    answer = await models.ask(Request(model=MODEL, text="x", output=output))

    assert answer.text == '{"n": 3}'
    sent = provider.requests[0]["response_format"]["json_schema"]
    assert sent["name"] == "Size"
    assert sent["schema"]["properties"] == {"n": {"type": "integer"}}


async def test_an_unknown_provider_is_unusable_before_anything_is_sent(models):
    with pytest.raises(ModelUnusable, match="nonsense"):
        await models.prepare("nonsense:model")


async def test_a_missing_key_is_unusable_and_says_which(models, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)

    with pytest.raises(ModelUnusable, match="OPENAI_API_KEY"):
        await models.check("openai:gpt-4o-mini")

import asyncio
from dataclasses import dataclass

import pytest
from aiohttp import web
from pydantic import BaseModel, Field

from outlive.contracts.outcomes import Cause
from outlive.errors import AnswerInvalid, DocumentError, ModelOverloaded
from outlive.models.answers import Answer, Usage
from outlive.models.calls import Models
from outlive.models.llm import Llm
from outlive.models.outputs import prepare_output
from outlive.settings import Settings

MODEL = "openai:gpt-4o-mini"


class Analysis(BaseModel):
    summary: str
    stars: int = Field(ge=1, le=5)


class Journal:
    def __init__(self) -> None:
        self.answers: dict[tuple[int, str], Answer] = {}

    def recall(self, ordinal: int, request_digest: str) -> Answer | None:
        return self.answers.get((ordinal, request_digest))

    def record(self, ordinal: int, request_digest: str, answer: Answer) -> None:
        self.answers[ordinal, request_digest] = answer


async def echo(request: web.Request, provider) -> web.StreamResponse:
    body = await request.json()
    return await provider.says(f"answer to {body['messages'][-1]['content']}")(request)


async def test_text_is_the_answer_where_no_type_is_wanted(provider, models):
    llm = Llm(models, model=MODEL, instruction="Summarise.")

    assert await llm("a document") == "fine"
    assert llm.usage == Usage(calls=1, input_tokens=1000, output_tokens=200, usd_nanos=270_000)


async def test_an_answer_becomes_a_value_of_the_output_type(provider, models):
    provider.script = [provider.says({"summary": "good", "stars": 4})]

    assert await Llm(models, model=MODEL, output=prepare_output(Analysis))("x") == Analysis(summary="good", stars=4)


async def test_an_answer_that_does_not_fit_is_asked_for_again_with_what_is_wrong(provider, models):
    provider.script = [provider.says({"summary": "good", "stars": 9}), provider.says({"summary": "good", "stars": 5})]
    llm = Llm(models, model=MODEL, output=prepare_output(Analysis))

    result = await llm("x")

    assert result.stars == 5
    assert "stars: Input should be less than or equal to 5" in provider.requests[1]["messages"][-1]["content"]
    assert provider.requests[1]["messages"][-2] == {"role": "assistant", "content": '{"summary": "good", "stars": 9}'}
    assert (llm.usage.calls, llm.usage.usd_nanos) == (2, 540_000)


async def test_an_answer_that_never_fits_ends_the_document_after_its_attempts(provider, models):
    provider.script = [provider.says("not even JSON")]
    llm = Llm(models, model=MODEL, output=prepare_output(Analysis))

    with pytest.raises(AnswerInvalid, match="Analysis") as caught:
        await llm("x")

    assert caught.value.cause == Cause.INVALID_ANSWER
    assert len(provider.requests) == models.settings.answer_attempts
    assert llm.usage.calls == models.settings.answer_attempts


async def test_a_cut_answer_is_an_error_whose_cost_counts(provider, models):
    provider.script = [provider.says("half", finish_reason="length")]
    llm = Llm(models, model=MODEL)

    with pytest.raises(AnswerInvalid) as caught:
        await llm("x")

    assert caught.value.cause == Cause.CUT_SHORT
    assert llm.usage.output_tokens == 200


async def test_a_type_for_one_call_beats_the_batchs_own(provider, models):
    provider.script = [provider.says({"response": ["a", "b"]}), provider.says("plain")]
    llm = Llm(models, model=MODEL, output=prepare_output(Analysis))

    assert await llm("x", output_type=list[str]) == ["a", "b"]
    assert await llm("x", output_type=str) == "plain"


async def test_an_unknown_price_makes_the_documents_price_unknown(provider, models):
    provider.script = [provider.says(), provider.says(model="house-blend"), provider.says()]
    llm = Llm(models, model=MODEL)
    await llm("a")
    await llm("b", model="openai:house-blend")
    await llm("c")

    assert llm.usage.usd_nanos is None


async def test_a_replayed_document_makes_no_call_and_costs_the_same(provider, models):
    async def document(llm: Llm) -> list[str]:
        first = await llm("one")
        return [first, *await asyncio.gather(llm("two"), llm("three"), llm("two"))]

    provider.script = [lambda request: echo(request, provider)]
    journal = Journal()
    before = Llm(models, model=MODEL, journal=journal)
    results = await document(before)
    made = len(provider.requests)

    after = Llm(models, model=MODEL, journal=journal)
    again = await document(after)

    assert again == results
    assert made == len(provider.requests) == 4
    assert (after.usage.calls, after.usage.recalled) == (0, 4)
    assert after.usage.usd_nanos == before.usage.usd_nanos


async def test_calls_side_by_side_are_recalled_whatever_order_they_finished_in(provider, models):
    async def slow_first(request: web.Request) -> web.StreamResponse:
        if "one" in (await request.json())["messages"][-1]["content"]:
            await asyncio.sleep(0.1)
        return await echo(request, provider)

    provider.script = [slow_first]
    journal = Journal()
    first = Llm(models, model=MODEL, journal=journal)
    results = await asyncio.gather(first("one"), first("two"))
    second = Llm(models, model=MODEL, journal=journal)

    swapped = await asyncio.gather(second("two"), second("one"))

    assert swapped == [results[1], results[0]] == ["answer to two", "answer to one"]
    assert len(provider.requests) == 2


async def test_a_repeat_after_an_answer_that_did_not_fit_is_recalled_too(provider, models):
    provider.script = [provider.says("no JSON"), provider.says({"summary": "good", "stars": 5})]
    journal = Journal()
    await Llm(models, model=MODEL, output=prepare_output(Analysis), journal=journal)("x")

    result = await Llm(models, model=MODEL, output=prepare_output(Analysis), journal=journal)("x")

    assert result.summary == "good"
    assert len(provider.requests) == 2


async def test_a_failed_call_is_not_remembered(provider, models):
    provider.script = [provider.sends(503)]
    journal = Journal()

    with pytest.raises(ModelOverloaded):
        await Llm(models, model=MODEL, journal=journal)("x")

    assert journal.answers == {}


async def test_the_journal_does_not_answer_another_question(provider, models):
    provider.script = [lambda request: echo(request, provider)]
    journal = Journal()
    await Llm(models, model=MODEL, instruction="A", journal=journal)("x")

    await Llm(models, model=MODEL, instruction="B", journal=journal)("x")
    await Llm(models, model="openai:gpt-4o", instruction="A", journal=journal)("x")
    await Llm(models, model=MODEL, instruction="A", output=prepare_output(str), journal=journal)("x")

    assert len(provider.requests) == 3


async def test_idempotency_keys_tell_documents_and_calls_apart_and_survive_a_restart(provider, models):
    async def document(key: str) -> list[str]:
        before = len(provider.headers)
        llm = Llm(models, model=MODEL, idempotency_key=key)
        await llm("x")
        await llm("x")
        return [headers["idempotency-key"] for headers in provider.headers[before:]]

    first, again, other = await document("batch/é/1"), await document("batch/é/1"), await document("batch/é/2")

    assert first == again
    assert len({*first, *other}) == 4
    assert all(key.startswith("batch/%C3%A9/1/") for key in first)


@dataclass
class Place:
    name: str
    lines: list[int]


async def test_a_long_text_is_split_asked_part_by_part_and_merged_into_the_same_type(provider):
    async def reply(request: web.Request) -> web.StreamResponse:
        text = (await request.json())["messages"][-1]["content"]
        parts.append(text)
        value = {"name": "merged", "lines": [9]} if text.startswith("Answer 1 of") else {"name": "part", "lines": [1]}
        return await provider.says(value)(request)

    parts: list[str] = []
    provider.script = [reply]
    paragraphs = [f"Paragraph {number}. " + "word " * 60 for number in range(40)]
    async with Models(Settings(context_tokens=2_000)) as models:
        llm = Llm(models, model="openai:house-blend", instruction="Find places.", output=prepare_output(Place))
        result = await llm("\n\n".join(paragraphs))

    assert result == Place(name="merged", lines=[9])
    documents = "\n\n".join(text for text in parts if not text.startswith("Answer 1 of"))
    assert all(f"Paragraph {number}." in documents for number in range(40))
    assert llm.usage.calls == len(parts) >= 4
    assert '{"name":"part","lines":[1]}' in parts[-1]


async def test_answers_too_many_for_one_call_are_merged_in_rounds(provider):
    provider.script = [provider.says("an answer of some length, " * 20)]
    async with Models(Settings(context_tokens=1_200)) as models:
        llm = Llm(models, model="openai:house-blend", instruction="Summarise.")
        await llm("\n\n".join("word " * 100 for _ in range(60)))

    merges = [text for text in provider.texts() if text.startswith("Answer 1 of")]
    assert len(merges) > 2


async def test_a_long_text_is_refused_where_splitting_is_off(provider):
    async with Models(Settings(context_tokens=2_000)) as models:
        llm = Llm(models, model="openai:house-blend", long_documents="refuse")
        with pytest.raises(DocumentError, match="tokens") as caught:
            await llm("word " * 10_000)

    assert caught.value.cause == Cause.TOO_LONG
    assert provider.requests == []


async def test_a_part_that_fails_ends_the_document_and_cancels_the_other_parts(provider):
    async def reply(request: web.Request) -> web.StreamResponse:
        if len(provider.requests) == 1:
            return await provider.sends(400, {"error": {"message": "no"}})(request)
        return await provider.hangs(request)

    provider.script = [reply]
    async with Models(Settings(context_tokens=2_000)) as models:
        llm = Llm(models, model="openai:house-blend")
        with pytest.raises(DocumentError, match="no"):
            await asyncio.wait_for(llm("word " * 10_000), 10)


async def test_the_offline_model_has_no_context_to_split_for(models):
    llm = Llm(models, model="offline:extractive")

    assert await llm("A sentence about ledgers and their entries. " * 20_000)
    assert llm.usage.calls == 1

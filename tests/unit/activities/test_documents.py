"""One document of a batch: its outcome, and the calls that are kept on the way to it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable

import pytest
from pydantic import BaseModel

from outlive.activities.batch_runtime import BatchRuntime
from outlive.activities.documents import LONGEST_REASON, CallJournal, answer_document
from outlive.contracts.batches import BatchSpec
from outlive.contracts.outcomes import Cause, Outcome, Status
from outlive.errors import DocumentError, ModelHalted, ModelOverloaded
from outlive.ledger.ledger import Ledger
from outlive.ledger.records import NewDocument, PendingDocument
from outlive.models.answers import Answer
from outlive.models.calls import Models
from outlive.models.outputs import prepare_output
from outlive.names import OFFLINE_MODEL
from outlive.registry import BatchFunction
from outlive.settings import Settings

TEXT = "Birds sing in the morning. Trees stand in the wood. The end is near."


class Bench:
    """A batch of one document with a function, as a worker would have it open."""

    def __init__(self, ledger: Ledger, models: Models) -> None:
        self.ledger = ledger
        self.models = models

    async def runtime(self, function: Callable, document: NewDocument | None = None) -> BatchRuntime:
        spec = BatchSpec(batch_id="b", function="f", model=OFFLINE_MODEL, recipe="r" * 40)
        self.ledger.batches.create(spec)
        self.ledger.batches.add_documents("b", [document or NewDocument(uri="rows.csv#1", text=TEXT)])
        self.ledger.batches.seal("b")
        declared = BatchFunction.of(function, name="f", model=None, concurrency=1)
        output = prepare_output(declared.output_type)
        return BatchRuntime(spec=spec, function=declared, ledger=await self.ledger.window("b"), output=output)

    async def outcome(self, function: Callable, document: NewDocument | None = None) -> Outcome:
        runtime = await self.runtime(function, document)
        return (await answer_document(runtime, self.models, runtime.ledger.pending(0, 1)[0]))[0]


@pytest.fixture
async def bench(tmp_path) -> AsyncIterator[Bench]:
    async with Ledger(tmp_path / "ledger.db") as ledger, Models(Settings()) as models:
        yield Bench(ledger, models)


async def plain(document, llm) -> str:
    """Summarise."""
    return await llm(document.text)


async def test_an_answer_becomes_the_outcome_with_its_calls(bench):
    outcome = await bench.outcome(plain)

    assert (outcome.status, outcome.calls, outcome.model) == (Status.DONE, 1, OFFLINE_MODEL)
    assert json.loads(outcome.result) in TEXT
    assert outcome.content_key is not None
    assert outcome.usd_nanos == 0


async def test_a_model_of_the_users_becomes_json(bench):
    class Analysis(BaseModel):
        summary: str
        length: int

    async def typed(document, llm):
        return [Analysis(summary="ü", length=len(document.text))]

    assert json.loads((await bench.outcome(typed)).result) == [{"summary": "ü", "length": len(TEXT)}]


@pytest.mark.parametrize("returned", ["half \ud83d", {"a\udc00": ["\ud83d"]}])
async def test_half_of_a_surrogate_pair_in_a_result_is_replaced(bench, returned):
    async def function(document, llm):
        return returned

    outcome = await bench.outcome(function)
    await (await bench.ledger.window("b")).record(outcome)

    assert outcome.status is Status.DONE
    assert "\ufffd" in outcome.result


async def test_what_json_cannot_hold_is_that_documents_failure(bench):
    async def function(document, llm):
        return object()

    outcome = await bench.outcome(function)

    assert (outcome.status, outcome.cause) == (Status.FAILED, Cause.FUNCTION_ERROR)
    assert outcome.reason == "The function returned a object, which JSON cannot hold."


async def test_an_error_of_the_users_code_is_that_documents_failure(bench):
    async def function(document, llm):
        raise KeyError("topics\ud83d" + "x" * 5000)

    outcome = await bench.outcome(function)
    await (await bench.ledger.window("b")).record(outcome)

    assert (outcome.status, outcome.cause, outcome.content_key) == (Status.FAILED, Cause.FUNCTION_ERROR, None)
    assert outcome.reason.startswith("KeyError: 'topics")
    assert len(outcome.reason) == LONGEST_REASON


async def test_a_cause_that_the_user_raises_is_kept_where_it_is_one_of_ours(bench):
    async def function(document, llm):
        raise DocumentError("empty", "Nothing in it.")

    outcome = await bench.outcome(function)

    assert (outcome.cause, outcome.reason) == (Cause.EMPTY, "Nothing in it.")


async def test_a_cause_that_the_user_made_up_counts_as_an_error_of_the_function(bench):
    async def function(document, llm):
        raise DocumentError("boring", "Nothing in it.")

    outcome = await bench.outcome(function)

    assert (outcome.cause, outcome.reason) == (Cause.FUNCTION_ERROR, "boring: Nothing in it.")


async def test_an_entry_at_fault_has_its_own_reason_as_outcome(bench):
    outcome = await bench.outcome(plain, NewDocument(uri="rows.csv#1", cause="broken", reason="Row 1 has no text."))

    assert (outcome.cause, outcome.reason, outcome.calls) == (Cause.BROKEN, "Row 1 has no text.", 0)


async def test_an_empty_text_is_never_sent_to_a_model(bench):
    outcome = await bench.outcome(plain, NewDocument(uri="rows.csv#1", text=" \n"))

    assert (outcome.cause, outcome.calls) == (Cause.EMPTY, 0)


@pytest.mark.parametrize(
    "error", [ModelHalted("model_halted", "Key refused."), ModelOverloaded("model_unavailable", "Down.")]
)
async def test_what_is_not_the_documents_fault_leaves_it_without_outcome(bench, error):
    async def function(document, llm):
        raise error

    with pytest.raises(type(error)):
        await bench.outcome(function)

    assert [(row.deaths, row.position) for row in (await bench.ledger.window("b")).pending(0, 1)] == [(1, 0)]


async def test_a_call_completed_before_a_crash_is_not_made_again(bench):
    died = asyncio.Event()

    async def dies_after_its_first_call(document, llm):
        first = await llm(document.text)
        if not died.is_set():
            died.set()
            await asyncio.Event().wait()
        return first + await llm(document.text + " More birds.")

    runtime = await bench.runtime(dies_after_its_first_call)
    attempt = asyncio.create_task(answer_document(runtime, bench.models, runtime.ledger.pending(0, 1)[0]))
    await died.wait()
    attempt.cancel()
    await asyncio.gather(attempt, return_exceptions=True)
    await runtime.ledger.begin(0)  # committed no earlier than the call

    pending = runtime.ledger.pending(0, 1)[0]
    kept = [Answer(**json.loads(answer)) for answer in pending.calls.values()]
    outcome, has_kept = await answer_document(runtime, bench.models, pending)

    assert [answer.model for answer in kept] == [OFFLINE_MODEL]
    assert (outcome.status, outcome.calls, has_kept) == (Status.DONE, 2, True)
    assert json.loads(outcome.result).startswith(kept[0].text)


async def journal_of(bench, calls=()):
    runtime = await bench.runtime(plain)
    pending = PendingDocument(
        position=0, uri="x", text=None, fields={}, cause=None, reason=None, deaths=1, outages=0, calls=dict(calls)
    )
    return runtime, CallJournal(runtime, pending)


ANSWER = Answer(text="a \ud83d", model="m", usd_nanos=None, input_tokens=3)


async def test_a_journal_keeps_a_call_when_the_turn_ends(bench):
    runtime, journal = await journal_of(bench)
    journal.record(0, "digest", ANSWER)
    assert not journal.has_kept

    await asyncio.sleep(0)
    await runtime.ledger.begin(0)

    calls = runtime.ledger.pending(0, 1)[0].calls
    assert journal.has_kept
    assert CallJournal(runtime, runtime.ledger.pending(0, 1)[0]).recall(0, "digest") == ANSWER
    assert list(calls) == ["digest:0"]


async def test_a_journal_closed_in_the_same_turn_writes_nothing(bench):
    runtime, journal = await journal_of(bench)
    journal.record(0, "digest", ANSWER)
    journal.close()

    await asyncio.sleep(0)
    await runtime.ledger.begin(0)

    assert not journal.has_kept
    assert runtime.ledger.pending(0, 1)[0].calls == {}


async def test_a_journal_tells_the_same_request_made_twice_apart(bench):
    kept = {"digest:1": '{"text": "second", "model": "m"}'}
    _, journal = await journal_of(bench, kept.items())

    assert journal.recall(0, "digest") is None
    assert journal.recall(1, "digest") == Answer(text="second", model="m")
    assert journal.recall(1, "other") is None
    assert journal.has_kept

"""One document of a batch: begun, read, answered, and its outcome."""

import asyncio
import json
import time
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import PydanticSerializationError

from outlive.activities.batch_runtime import BatchRuntime, fields_text
from outlive.contracts.outcomes import Cause, Outcome, Status
from outlive.documents.document import Document
from outlive.documents.entries import cleaned
from outlive.errors import DocumentError, ModelHalted, ModelOverloaded
from outlive.ledger.records import PendingDocument
from outlive.models.answers import Answer
from outlive.models.calls import Models
from outlive.models.llm import Llm
from outlive.registry import content_key

ANYTHING: TypeAdapter[Any] = TypeAdapter(Any)
LONGEST_REASON = 2000  # characters


class CallJournal:
    """Remembers the completed model calls of one document, so that none is made again.

    An answer is written to the ledger at the end of the event loop's turn in which it came, unless the document's
    outcome is recorded in the same turn: then the outcome is enough.
    """

    def __init__(self, runtime: BatchRuntime, pending: PendingDocument) -> None:
        self._runtime = runtime
        self._pending = pending
        self._unwritten: list[tuple[str, Answer]] = []
        self.has_kept = bool(pending.calls)

    def recall(self, ordinal: int, request_digest: str) -> Answer | None:
        """Return the answer that an earlier attempt got for the same request, or None."""
        kept = self._pending.calls.get(f"{request_digest}:{ordinal}")
        return Answer(**json.loads(kept)) if kept is not None else None

    def record(self, ordinal: int, request_digest: str, answer: Answer) -> None:
        """Keep a completed call."""
        if not self._unwritten:
            asyncio.get_running_loop().call_soon(self._write)
        self._unwritten.append((f"{request_digest}:{ordinal}", answer))

    def close(self) -> None:
        """Forget what was not written: the document's outcome is about to be recorded."""
        self._unwritten.clear()

    def _write(self) -> None:
        for call_key, answer in self._unwritten:
            self.has_kept = True
            self._runtime.ledger.record_call(self._pending.position, call_key, json.dumps(asdict(answer)))
        self._unwritten.clear()


async def answer_document(
    runtime: BatchRuntime, models: Models, pending: PendingDocument
) -> tuple[Outcome, bool] | None:
    """Work one document through and return its outcome, and whether the ledger keeps calls of it.

    Returns None for a document that has its outcome by now from another attempt: its model is not asked again.

    Raises:
        ModelHalted: If every further call would fail the same way; the document keeps no outcome.
        ModelOverloaded: If the model answered nobody meanwhile: an outage, not this document's fault.
    """
    began = time.monotonic()
    begun = asyncio.ensure_future(runtime.ledger.begin(pending.position))
    journal = CallJournal(runtime, pending)
    answers_before = models.throttle(runtime.spec.model).answers
    llm = Llm(
        models,
        model=runtime.spec.model,
        instruction=runtime.spec.instruction or runtime.function.instruction,
        output=runtime.output,
        long_documents=runtime.spec.long_documents,
        journal=journal,
        idempotency_key=f"{runtime.spec.batch_id}/{pending.position}",
        payer=runtime.payer,
    )
    key: str | None = None
    found: dict[str, Any]
    try:
        try:
            document = await _read(runtime, pending)
        finally:
            is_ours = await begun
        if not is_ours:
            return None
        key = content_key(runtime.spec.recipe, document.digest, fields_text(document.fields))
        earlier = await _earlier_answer(runtime, key)
        if earlier is not None:
            result, model = earlier
            found = {"status": Status.DONE, "result": result, "model": model, "reused": True}
        else:
            result = _as_json(await runtime.function.function(document, llm))
            found = {"status": Status.DONE, "result": result}
    except (ModelHalted, asyncio.CancelledError):
        raise
    except ModelOverloaded as error:
        if models.throttle(runtime.spec.model).answers == answers_before:
            raise
        found = _failure(error.cause, error.reason)
    except DocumentError as error:
        found = _failure(error.cause, error.reason)
    except Exception as error:  # noqa: BLE001 - the edge to the user's own code
        found = _failure(Cause.FUNCTION_ERROR, f"{type(error).__name__}: {error}")
    journal.close()
    usage = llm.usage
    outcome = Outcome(
        position=pending.position,
        calls=usage.calls + usage.recalled,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        usd_nanos=usage.usd_nanos,
        content_key=key if found["status"] is Status.DONE else None,
        seconds=time.monotonic() - began,
        **{"model": runtime.spec.model, **found},
    )
    return outcome, journal.has_kept


def _failure(cause: str, reason: str) -> dict[str, Any]:
    """Return how a failed document is recorded; a cause that a user's own code made up counts as its error."""
    known = Cause(cause) if cause in set(Cause) else Cause.FUNCTION_ERROR
    said = reason if known == cause else f"{cause}: {reason}"
    return {"status": Status.FAILED, "cause": known, "reason": cleaned(said[:LONGEST_REASON])}


async def _read(runtime: BatchRuntime, pending: PendingDocument) -> Document:
    if pending.cause is not None:
        raise DocumentError(pending.cause, pending.reason or "")
    if pending.text is not None:
        if not pending.text.strip():
            raise DocumentError(Cause.EMPTY, f"The text of {pending.uri!r} is empty.")
        return Document(uri=pending.uri, text=pending.text, position=pending.position, fields=pending.fields)
    reading = await runtime.reader.read(pending.uri)
    return Document(
        uri=pending.uri,
        text=reading.text,
        position=pending.position,
        title=reading.title,
        media_type=reading.media_type,
        fields=pending.fields,
    )


async def _earlier_answer(runtime: BatchRuntime, key: str) -> tuple[str, str | None] | None:
    return None if runtime.earlier_answers is None else await runtime.earlier_answers.find(key)


def _as_json(result: object) -> str:
    """Return what the batch function returned as JSON text.

    Raises:
        DocumentError: If it is nothing that JSON can hold.
    """
    if isinstance(result, str):
        return json.dumps(cleaned(result), ensure_ascii=False)
    try:
        return ANYTHING.dump_json(result).decode()
    except PydanticSerializationError:
        pass  # most often half of a surrogate pair, which models do write: it becomes U+FFFD
    try:
        return json.dumps(cleaned(ANYTHING.dump_python(cleaned(result), mode="json")), ensure_ascii=False)
    except (PydanticSerializationError, TypeError, ValueError) as error:
        raise DocumentError(
            Cause.FUNCTION_ERROR, f"The function returned a {type(result).__name__}, which JSON cannot hold."
        ) from error

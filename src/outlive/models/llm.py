"""What a batch function calls to ask its model: ``await llm(text)``."""

from dataclasses import replace
from typing import Any, Protocol
from urllib.parse import quote

from outlive.contracts.outcomes import Cause
from outlive.errors import AnswerInvalid
from outlive.models.answers import Answer, Request, Turn, Usage
from outlive.models.calls import Models, whole
from outlive.models.long_texts import Long, plan_parts
from outlive.models.outputs import TEXT, Misfit, Output, prepare_output
from outlive.models.paying import Payer


class CallJournal(Protocol):
    """Remembers the completed calls of one document, so that none is made again after a crash.

    A call is known by the digest of its request and by how many requests of that digest the document made before it.
    Both are the same in every run of the same code, also where calls run side by side.
    """

    def recall(self, ordinal: int, request_digest: str) -> Answer | None:
        """Return the answer of a call that was completed earlier; from memory, without waiting."""

    def record(self, ordinal: int, request_digest: str, answer: Answer) -> None:
        """Take note of a completed call; must not wait."""


class NoJournal:
    """A journal that remembers nothing: for one call outside of a batch."""

    def recall(self, ordinal: int, request_digest: str) -> Answer | None:  # noqa: ARG002
        """Return None."""
        return None

    def record(self, ordinal: int, request_digest: str, answer: Answer) -> None:
        """Do nothing."""


class Llm:
    """One document's way to its models; also the record of what the document cost.

    Attributes:
        usage: What the calls for this document came to so far, failed and recalled ones included.
    """

    def __init__(
        self,
        models: Models,
        *,
        model: str,
        instruction: str | None = None,
        output: Output = TEXT,
        long_documents: str = "split",
        journal: CallJournal | None = None,
        idempotency_key: str | None = None,
        payer: Payer | None = None,
    ) -> None:
        """Make the way; asks nothing.

        Args:
            models: The process's models.
            model: Model where a call names none.
            instruction: Instruction where a call gives none.
            output: Kind of answer where a call names none: from `prepare_output`, once per batch.
            long_documents: ``split`` works a text longer than the model's context through in parts, ``refuse``
                raises.
            journal: Where completed calls are remembered.
            idempotency_key: What the ``Idempotency-Key`` of each call begins with; the same for every attempt at
                this document.
            payer: What pays for its calls; None where nothing limits them.
        """
        self.usage = Usage()
        self._models = models
        self._payer = payer
        self._model = model
        self._instruction = instruction
        self._output = output
        self._splits = long_documents == "split"
        self._journal: CallJournal = journal or NoJournal()
        self._key = None if idempotency_key is None else quote(idempotency_key, safe="/:._-+=@~")
        self._ordinals: dict[str, int] = {}

    async def __call__(
        self,
        text: str,
        *,
        instruction: str | None = None,
        output_type: Any = None,
        model: str | None = None,
    ) -> Any:
        """Return the model's answer to a text.

        Args:
            text: What the model works on, most often ``document.text``.
            instruction: What to do with it; None takes the batch's instruction.
            output_type: Type of the answer; None takes the batch function's return type. ``str`` is plain text.
            model: Model name; None takes the batch's model.

        Returns:
            A value of the output type; plain JSON values where that is a raw JSON schema.

        Raises:
            CallError: The model gave no usable answer. Let it pass: it becomes the document's outcome.
        """
        request = Request(
            model=model or self._model,
            text=text,
            instruction=self._instruction if instruction is None else instruction,
            output=self._output if output_type is None else prepare_output(output_type),
        )
        limit = await self._models.context_tokens(request.model)
        parts = plan_parts(request, limit, splits=self._splits)
        if parts is None:
            return await self._fitting(request)
        return await Long(self._fitting, request, limit).answered(parts)

    async def _fitting(self, request: Request) -> Any:
        """Ask until the answer fits the output type."""
        attempts = max(1, self._models.settings.answer_attempts)
        if request.output.is_text:
            attempts = 1
        complaint = ""
        for _ in range(attempts):
            answer = whole(await self._once(request))
            try:
                return request.output.parse(answer.text)
            except Misfit as misfit:
                complaint = str(misfit)
            request = _again(request, answer.text, complaint)
        raise AnswerInvalid(
            Cause.INVALID_ANSWER,
            f"{request.model} gave no answer that fits {request.output.name!r} in {attempts} attempts; the last: "
            f"{' '.join(complaint.split())[:300]}",
        )

    async def _once(self, request: Request) -> Answer:
        """Make one call, unless the journal has its answer."""
        digest = request.digest()
        ordinal = self._ordinals.get(digest, 0)
        self._ordinals[digest] = ordinal + 1
        known = self._journal.recall(ordinal, digest)
        if known is not None:
            self.usage.add(known, recalled=True)
            return known
        if self._key is not None:
            request = replace(request, idempotency_key=f"{self._key}/{digest[:16]}-{ordinal}")
        answer = await self._models.answer(request, payer=self._payer)
        self._journal.record(ordinal, digest, answer)
        self.usage.add(answer)
        return answer


def _again(request: Request, answer: str, complaint: str) -> Request:
    turn = Turn(
        answer=answer,
        complaint=f"Your answer does not fit what was asked for:\n{complaint}\nGive the whole answer again, corrected.",
    )
    return replace(request, turns=(*request.turns, turn))

"""What is asked of a model, what it answers, and what that came to."""

import hashlib
from dataclasses import dataclass, field

from outlive.models.outputs import TEXT, Output


@dataclass(frozen=True, kw_only=True, slots=True)
class Turn:
    """An answer that did not fit, and the complaint with which the model is asked again."""

    answer: str
    complaint: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One call to a model.

    Attributes:
        model: A model name, such as ``openai:gpt-5-mini`` or ``offline:extractive``.
        text: What the model works on: a document, or a part of one.
        instruction: What to do with it; None leaves that to the text.
        output: What kind of answer is wanted.
        turns: Earlier answers to this same request that did not fit.
        idempotency_key: Sent as ``Idempotency-Key``, the same on every attempt.
        max_output_tokens: The most that the answer may have; None leaves it to the model.
    """

    model: str
    text: str
    instruction: str | None = None
    output: Output = TEXT
    turns: tuple[Turn, ...] = ()
    idempotency_key: str | None = None
    max_output_tokens: int | None = None

    def digest(self) -> str:
        """Return 32 hexadecimal characters that stand for all that decides the answer."""
        state = hashlib.blake2b(digest_size=16)
        for part in (self.model, self.instruction or "", self.output.digest, self.text):
            state.update(part.encode("utf-8", "surrogatepass"))
            state.update(b"\0")
        for turn in self.turns:
            state.update(f"{turn.answer}\0{turn.complaint}\0".encode("utf-8", "surrogatepass"))
        return state.hexdigest()


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What one call gave.

    Attributes:
        text: The answer as the model wrote it: plain text, or JSON text where the request has an output type.
        usd_nanos: Price in billionths of a dollar; None where the price is not known, never a guessed 0.
        model: The model that was asked for, as the caller named it.
        seconds: From the first attempt to the answer, waiting for the provider's limits included.
        finish_reason: ``stop`` where the model came to its own end; ``length`` where it was cut short.
    """

    text: str
    input_tokens: int = 0
    output_tokens: int = 0
    usd_nanos: int | None = None
    model: str
    seconds: float = 0.0
    finish_reason: str = "stop"


@dataclass(kw_only=True, slots=True)
class Usage:
    """What the calls for one document came to so far.

    Attributes:
        calls: Calls that were made and answered.
        recalled: Calls whose answer came from the journal: not made again, their cost counted all the same.
        usd_nanos: None as soon as the price of one call is not known.
    """

    calls: int = 0
    recalled: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd_nanos: int | None = field(default=0)

    def add(self, answer: Answer, *, recalled: bool = False) -> None:
        """Count one answer."""
        if recalled:
            self.recalled += 1
        else:
            self.calls += 1
        self.input_tokens += answer.input_tokens
        self.output_tokens += answer.output_tokens
        if self.usd_nanos is not None:
            self.usd_nanos = None if answer.usd_nanos is None else self.usd_nanos + answer.usd_nanos

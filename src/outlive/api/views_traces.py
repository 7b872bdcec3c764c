"""What callers of the API get of one run: in rows, entry by entry, value by value."""

from dataclasses import asdict
from datetime import datetime
from typing import Any, Self

from pydantic import ConfigDict, Field

from outlive.api.views import QuestionView, View
from outlive.ledger.effects import EffectRecord
from outlive.trace.model import Entry, Failure, HistoryPart, Totals, Value, as_json
from outlive.trace.outline import Outline, OutlineTurn, Row

MODEL_CALL = "model_call"


class OutlineView(View):
    """A run in rows, or what has changed of them."""

    id: str
    cursor: str = Field(description="Give it as `since`, and get only what changes from here on.")
    is_delta: bool = Field(description="Whether turns and entries are only those that have changed since the cursor.")
    is_whole: bool = Field(description="Whether all was read up to the newest event; if not, more follows at once.")
    workflow_type: str
    agent: str | None = None
    plan: str | None = None
    run_id: str = Field(description="The caller's id; of other workflows the whole one.")
    state: str = Field(description="As of the run.")
    problem: str | None = Field(default=None, description="What keeps it from moving, and what to do.")
    questions: list[QuestionView] = Field(default_factory=list, description="What it waits for.")
    began_at: datetime | None = None
    ended_at: datetime | None = None
    totals: Totals = Field(description="With the child runs, as far as they were read.")
    parts: list[HistoryPart] = Field(description="The workflow runs that it consists of, the oldest first.")
    turns: list[OutlineTurn]
    entries: list[Row]
    input: Value | None = Field(default=None, description="Of a workflow that is no agent's.")
    output: Value | None = None
    failure: Failure | None = None
    notes: list[str] = Field(description="What could not be read, in sentences.")
    temporal_url: str = Field(description="Path in Temporal's own Web UI, where the console serves that.")

    @classmethod
    def of(cls, outline: Outline) -> Self:
        """Return the view of an outline. Nothing is checked: it may have ten thousand rows."""
        health = outline.health
        return cls.model_construct(
            **{name: getattr(outline, name) for name in cls.model_fields if hasattr(outline, name)},
            state=health.state,
            problem=health.problem,
            questions=[QuestionView.of(question) for question in health.questions],
        )


class LedgerView(View):
    """A call as the ledger has it."""

    key: str
    policy: str | None = Field(default=None, description="As its effect declares; null where it declares none.")
    state: str = Field(description="begun, done, failed, unknown, refused or shadowed.")
    attempts: int
    failures: int
    error: str | None = Field(default=None, description="Of the last attempt that failed.")
    settled: dict[str, Any] | None = Field(default=None, description="What a person decided about it.")

    @classmethod
    def of(cls, record: EffectRecord) -> "LedgerView":
        """Return the view of an effect."""
        return cls(
            key=record.effect_key,
            policy=record.policy,
            state=record.state,
            attempts=record.attempts,
            failures=record.failures,
            error=record.error,
            settled=asdict(record.settled) if record.settled else None,
        )


class EntryView(View):
    """An entry, with the fields of its kind as a trace has them, and what the ledger has of it."""

    model_config = ConfigDict(extra="allow")

    id: str
    kind: str
    name: str
    state: str
    began_at: datetime
    ended_at: datetime | None = None
    seconds: float | None = None
    messages_ref: str | None = Field(
        default=None, description="Of a model call: under it `values` has the conversation that the model was given."
    )
    ledger: LedgerView | None = None

    @classmethod
    def of(cls, entry: Entry, entry_id: str, record: EffectRecord | None) -> "EntryView":
        """Return the view of an entry under the id that it was asked for with."""
        above = entry_id.removesuffix(entry.id)
        return cls(
            **{**as_json(entry), "id": entry_id},
            messages_ref=f"{above}{entry.id}.messages" if entry.kind == MODEL_CALL else None,
            ledger=LedgerView.of(record) if record else None,
        )


class ValueView(View):
    """Something that was said, given or returned, whole."""

    ref: str
    size: int = Field(description="Bytes of the whole, as JSON; of a text, in UTF-8.")
    content: Any = None
    is_cut: bool = False
    problem: str | None = Field(default=None, description="Why it cannot be read; there is no content then.")

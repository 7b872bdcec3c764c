"""What callers of the API get, and what it is made of."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from outlive.contracts.agents import Question
from outlive.desk.records import HandOff
from outlive.engine.run_health import RunHealth, Waiting
from outlive.handles import BatchStatus
from outlive.ledger.records import DocumentResult
from outlive.names import split_agent_workflow_id, split_plan_workflow_id

Kind = Literal["agent", "plan"]


class View(BaseModel):
    """Something that is shown."""

    model_config = ConfigDict(from_attributes=True)


class QuestionView(View):
    """What a parked run waits for; its id is that of the hand-off that answers it."""

    question_id: str
    reason: str
    choices: list[str]
    subject: str = ""
    kind: str = ""

    @classmethod
    def of(cls, question: Question) -> "QuestionView":
        """Return the view of a question."""
        return cls.model_validate(question)


class WaitingView(View):
    """A call that has failed and is to be made again."""

    name: str
    attempt: int
    reason: str
    next_at: datetime | None = None

    @classmethod
    def of(cls, waiting: Waiting) -> "WaitingView":
        """Return the view of a call."""
        return cls.model_validate(waiting)


class RunView(View):
    """A run as it stands."""

    id: str = Field(description="The whole id; `/v1/runs/` and it are the address of the run.")
    kind: Kind
    name: str = Field(description="Of the agent or plan.")
    run_id: str = Field(description="The caller's id.")
    state: str = Field(description="running, parked, stuck, completed, failed, cancelled, terminated or timed out.")
    problem: str | None = Field(default=None, description="What keeps it from moving, and what to do.")
    questions: list[QuestionView] = Field(default_factory=list, description="What it waits for.")
    waiting: list[WaitingView] = Field(default_factory=list, description="Calls that are tried again.")
    started_at: datetime | None = None
    closed_at: datetime | None = None
    taken_by: str | None = Field(default=None, description="Who speaks in the agent's place.")
    is_conversation: bool = Field(
        default=False, description="Whether it waits for further messages; only of one by its id."
    )

    @classmethod
    def of(cls, health: RunHealth) -> "RunView":
        """Return the view of a run."""
        kind, name, run_id = parts_of(health.workflow_id)
        return cls(
            id=health.workflow_id,
            kind=kind,
            name=name,
            run_id=run_id,
            state=health.state,
            problem=health.problem,
            questions=[QuestionView.of(question) for question in health.questions],
            waiting=[WaitingView.of(waiting) for waiting in health.waiting],
            started_at=health.started_at,
            closed_at=health.closed_at,
            taken_by=health.taken_by or None,
            is_conversation=health.is_conversation,
        )


class StartedView(View):
    """A run or batch that was started, now or before."""

    id: str = Field(description="The whole id, such as `agent/support/order-4711`.")
    is_new: bool = Field(description="Whether this request has started it; otherwise an equal one had before.")
    url: str = Field(description="Its address in this API.")
    turn: int | None = Field(default=None, description="Of a conversation: the turn that answers the prompt.")


class ErrorView(View):
    """How a run or a turn failed."""

    type: str
    message: str


class ResultView(View):
    """What a run, or a turn of a conversation, ended with."""

    id: str
    state: str = Field(description="As of the run; with 202 it has not ended yet.")
    output: Any = None
    usage: dict[str, Any] | None = Field(default=None, description="Requests, tokens and tool calls.")
    turns: int | None = None
    error: ErrorView | None = None


class TurnView(View):
    """Which turn answers a message."""

    turn: int


class EventView(View):
    """Something that happened in a run; `outlive.contracts.events.EventKind` lists the kinds."""

    offset: int
    at: float = Field(description="Seconds since the epoch.")
    kind: str
    call: str | None = None
    attempt: int = 1
    data: dict[str, Any]


class HandOffView(View):
    """What waits, or waited, for a person."""

    id: str
    run: str = Field(description="The whole id of the run that waits.")
    agent: str
    kind: str
    subject: str
    reason: str
    choices: list[str]
    state: str = Field(description="open, decided, expired or void.")
    opened_at: datetime
    claimed_by: str | None = None
    escalated_to: str | None = None
    choice: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    note: str | None = None
    about: dict[str, Any] = Field(default_factory=dict, description="What is needed to decide; only of one by its id.")
    value: Any = None

    @classmethod
    def of(cls, found: HandOff) -> "HandOffView":
        """Return the view of a hand-off."""
        return cls(**{**asdict(found), "run": found.workflow_id, "choices": list(found.choices)})


class BatchView(View):
    """A batch as it stands."""

    id: str
    state: str = Field(description="running, paused, finished or cancelled.")
    state_reason: str | None = None
    problem: str | None = None
    source: str
    model: str
    concurrency: int
    documents: int = Field(description="All entries of the source.")
    duplicates: int
    done: int
    failed: dict[str, int] = Field(description="By cause.")
    missing: int = Field(description="Documents without an outcome yet.")
    calls: int
    input_tokens: int
    output_tokens: int
    usd_nanos: int = Field(description="Known part of the price, in billionths of a dollar.")

    @classmethod
    def of(cls, status: BatchStatus) -> "BatchView":
        """Return the view of a batch."""
        record, progress = status.record, status.progress
        return cls(
            id=record.batch_id,
            state=record.state,
            state_reason=record.state_reason,
            problem=status.health.problem if status.health else None,
            source=record.spec.source,
            model=record.spec.model,
            concurrency=record.concurrency,
            documents=record.document_count,
            duplicates=record.duplicate_count,
            done=progress.done,
            failed=dict(progress.failed),
            missing=progress.missing,
            calls=progress.calls,
            input_tokens=progress.input_tokens,
            output_tokens=progress.output_tokens,
            usd_nanos=progress.usd_nanos,
        )


class DocumentView(View):
    """An entry of a batch's source, and what became of it so far."""

    position: int
    uri: str
    fields: Mapping[str, Any]
    duplicate_of: int | None = None
    status: str | None = Field(default=None, description="done or failed; null while it has no outcome.")
    result: Any = Field(default=None, description="JSON of the answer; text where it is text.")
    cause: str | None = None
    reason: str | None = None


class ResultsPage(View):
    """A part of a batch's results, in the order of its source."""

    items: list[DocumentView]
    next: str | None = Field(default=None, description="`cursor` of the next part; null at the end of the source.")


class AgentView(View):
    """An agent of the app."""

    name: str
    description: str | None = None
    deps_schema: dict[str, Any] | None = Field(
        default=None, description="JSON schema of `deps`; null where the agent declares none."
    )


class PlanView(View):
    """A plan of the app."""

    name: str
    summary: str = ""
    input_schema: dict[str, Any] | None = Field(default=None, description="JSON schema of `input`; null for none.")


class FunctionView(View):
    """A batch function of the app."""

    name: str
    instruction: str | None = None


class AppView(View):
    """What the app has."""

    name: str
    agents: list[AgentView]
    plans: list[PlanView]
    batches: list[FunctionView]


def parts_of(workflow_id: str) -> tuple[Kind, str, str]:
    """Return kind, name and caller's id of a run."""
    if plan := split_plan_workflow_id(workflow_id):
        return "plan", *plan
    return "agent", *(split_agent_workflow_id(workflow_id) or ("", workflow_id))


def documents_of(rows: Sequence[DocumentResult]) -> list[DocumentView]:
    """Return the views of results."""
    return [
        DocumentView(
            position=row.position,
            uri=row.uri,
            fields=row.fields,
            duplicate_of=row.duplicate_of,
            status=row.status,
            result=None if row.result is None else json.loads(row.result),
            cause=row.cause,
            reason=row.reason,
        )
        for row in rows
    ]

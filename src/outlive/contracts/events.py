"""What readers learn of a run while it goes on: one event after the other, each with its offset."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class EventKind(StrEnum):
    """What happened, and what ``RunEvent.data`` says of it.

    Of one model or tool call, several attempts may be seen. Whoever reads the start of an attempt drops what came of
    earlier attempts of that call: their deltas are no part of the answer. ``outlive.streams.transcript`` does so.

    Attributes:
        TURN_STARTED: ``turn``, ``content`` (what the user said).
        MODEL_CALL_STARTED: ``model`` (its name).
        TEXT_DELTA: ``text``, to be put behind that of the call's earlier deltas; ``missed`` where rows before this one
            were dropped (see `RunEvent`).
        THINKING_DELTA: As for a text delta.
        MODEL_CALL_ENDED: ``model``, ``input_tokens``, ``output_tokens``, ``usd_nanos`` (billionths of a dollar, None
            where the price is not known), ``finish`` (the provider's reason to stop).
        MODEL_CALL_FAILED: ``type``, ``message``, ``retry_in`` (seconds; None where it is not tried again).
        TOOL_STARTED: ``tool`` (its name), ``args``, ``summary`` (one line for a person).
        TOOL_PROGRESS: ``tool``, and what the tool reports.
        TOOL_ENDED: ``tool``, ``result``, and where it is no plain one ``verdict``, such as ``model_retry``: ``result``
            is then what the model is told.
        TOOL_FAILED: ``tool``, and as for a failed model call.
        CHILD_STARTED: ``stream`` (that of the child run), ``agent`` or ``workflow``.
        CHILD_ENDED: ``stream``, ``usage``.
        COMPACTED: ``messages_before``, ``messages_after``.
        WAITING: ``question_id``, ``reason``, ``choices``: what a person is asked.
        RESUMED: ``question_id``, ``choice``, ``by``.
        RUN_STARTED: Nothing more: a plan has begun.
        LOGGED: ``text``, and what else a plan says of how it gets on.
        TURN_ENDED: ``turn``, ``output`` and ``usage``, or ``error``.
        RUN_ENDED: ``output`` and ``usage``, or ``error``. The last event, unless the run is started again.
    """

    TURN_STARTED = "turn_started"
    MODEL_CALL_STARTED = "model_call_started"
    TEXT_DELTA = "text_delta"
    THINKING_DELTA = "thinking_delta"
    MODEL_CALL_ENDED = "model_call_ended"
    MODEL_CALL_FAILED = "model_call_failed"
    TOOL_STARTED = "tool_started"
    TOOL_PROGRESS = "tool_progress"
    TOOL_ENDED = "tool_ended"
    TOOL_FAILED = "tool_failed"
    CHILD_STARTED = "child_started"
    CHILD_ENDED = "child_ended"
    COMPACTED = "compacted"
    WAITING = "waiting"
    RESUMED = "resumed"
    RUN_STARTED = "run_started"
    LOGGED = "logged"
    TURN_ENDED = "turn_ended"
    RUN_ENDED = "run_ended"


@dataclass(frozen=True, kw_only=True)
class NewEvent:
    """An event that is to be written; its offset comes with the commit.

    Attributes:
        stream: Workflow id of the run, such as ``agent/support/order-4711``.
        kind: An `EventKind`.
        call: Key of the model or tool call that it belongs to.
        attempt: Which attempt at that call; the first is 1.
        data: JSON. What is no JSON is written as text.
        at: Seconds since the epoch; None takes the moment of appending.
        note_id: An event under a note id that its stream holds already is not written again.
    """

    stream: str
    kind: str
    call: str | None = None
    attempt: int = 1
    data: dict[str, Any] = field(default_factory=dict)
    at: float | None = None
    note_id: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunEvent:
    """An event as readers get it.

    Attributes:
        stream: Workflow id of the run.
        offset: Place in the stream: 0, 1, 2 and so on without a gap. ``offset + 1`` is where a reader goes on.
        at: Seconds since the epoch, by the clock of the process that it happened in.
        kind: An `EventKind`; a newer Outlive may have written one that this one does not know.
        call: Key of the model or tool call that it belongs to.
        attempt: Which attempt at that call; the first is 1.
        data: What `EventKind` says. ``"cut": True`` in it: it was too large and is shortened. ``"missed": n`` in it:
            the writer had to drop n events of this stream before this one (a disk that was full for long).
    """

    stream: str
    offset: int
    at: float
    kind: str
    call: str | None = None
    attempt: int = 1
    data: dict[str, Any] = field(default_factory=dict)

"""What a trace consists of. `as_json` gives it to programs: the field names are its keys, and stay.

A trace holds turns; a turn holds entries in the order in which they began. What an entry is, its ``kind`` says:
``model_call``, ``tool_call``, ``activity``, ``wait``, ``timer``, ``message`` or ``child``. Every turn, entry and value
has an id (``ref``, for a value) that stays the same however often the run is looked at while it goes on; those of a
child run begin with the id of its entry: ``3/2.args``.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from typing import Any

ENDED = frozenset({"done", "failed", "cancelled", "timed_out", "terminated"})
"""States of an entry that nothing more comes of."""


VERDICTS = {
    "model_retry": "asked the model to try again",
    "tool_failed": "told the model that it has failed",
    "approval_required": "asks for approval",
    "run_cancelled": "was cancelled",
}
"""How people read what a tool made of a call, where that is no plain result."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Value:
    """Something that was said, given or returned.

    Attributes:
        ref: Under which the whole can be asked for.
        size: Bytes of the whole, as JSON; of a text, in UTF-8.
        content: The JSON value; of one that is cut, the beginning of its text.
        is_cut: Whether ``content`` is only the beginning.
        problem: Why it cannot be read, where it cannot; there is no content then.
    """

    ref: str
    size: int
    content: Any = None
    is_cut: bool = False
    problem: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """How an attempt, or a run, failed.

    Attributes:
        type: Class name of the error; ``Timeout`` and ``WorkerLost`` are Temporal's own findings.
        at: When, where that is known.
    """

    type: str
    message: str
    at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """Something that happened in a run.

    Attributes:
        id: ``1``, ``2`` and so on through the whole run, whatever it continued as.
        name: What a person calls it: the tool, the activity, the agent.
        state: ``scheduled`` (no worker has it yet), ``running``, ``retrying`` (it waits to be tried again), ``done``,
            ``failed``, ``cancelled``, ``timed_out`` or ``terminated``.
        began_at: When it was asked for.
        seconds: From the moment that it was first worked on to its end; None until then.
    """

    id: str
    kind: str
    name: str
    state: str
    began_at: datetime
    ended_at: datetime | None = None
    seconds: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Call(Entry):
    """A call that is made by a worker, and made again where it fails: an activity.

    Attributes:
        activity_type: Temporal's name of it.
        attempts: How often it was begun; 0 while no worker has taken it.
        failures: How many of them ended with an error or a lost worker, as far as is known.
        failure: The last of these.
        next_at: When the next attempt is made, of one that is ``retrying``.
        worker: Who made the last attempt.
    """

    activity_id: str
    activity_type: str
    started_at: datetime | None = None
    attempts: int = 0
    failures: int = 0
    failure: Failure | None = None
    next_at: datetime | None = None
    worker: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Asked:
    """A tool call that a model asked for."""

    tool: str
    tool_call_id: str
    args: Value


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelCall(Call):
    """One request to a model; ``kind`` is ``model_call``.

    Attributes:
        model: Its name.
        input_tokens: None where nothing says it.
        usd_nanos: Price in billionths of a dollar; None where it is not known.
        finish: The provider's reason to stop.
        text: What it said.
        thinking: What it thought, where the provider tells.
        asked: The tool calls that it asked for, output tools included.
    """

    model: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    usd_nanos: int | None = None
    finish: str | None = None
    text: Value | None = None
    thinking: Value | None = None
    asked: tuple[Asked, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class ToolCall(Call):
    """One call of a tool, or, as kind ``activity``, of anything else that a worker does.

    Attributes:
        toolset: Id of the toolset or MCP server that holds the tool.
        tool_call_id: As in `Asked`.
        args: What it was given: an object of named arguments for a tool, a list for a plain activity.
        result: What it returned.
        verdict: What the tool made of the call: ``tool_return``, ``model_retry``, ``approval_required``, …
        is_local: Whether it was a local activity, of which Temporal keeps no arguments.
    """

    toolset: str = ""
    tool_call_id: str = ""
    args: Value | None = None
    result: Value | None = None
    verdict: str = ""
    is_local: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Wait(Entry):
    """A question that the run was, or is, parked with; ``kind`` is ``wait``, ``name`` what it is about.

    Attributes:
        choice: What was decided, once it is.
        decided_by: Who did: Temporal's identity of the caller.
    """

    question_id: str
    reason: str
    choices: tuple[str, ...] = ()
    choice: str | None = None
    decided_by: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Timer(Entry):
    """A durable timer; ``kind`` is ``timer``, ``name`` its summary.

    Attributes:
        fires_at: When it does, or would have.
    """

    fires_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Message(Entry):
    """Something that reached the run while it went on; ``kind`` is ``message``.

    ``name`` is ``steering`` for what was said to join a turn, else the name of the signal or update.
    """

    content: Value | None = None
    sent_by: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ChildRun(Entry):
    """A child workflow; ``kind`` is ``child``, ``name`` the agent, the tool, or the workflow's type.

    Attributes:
        trace: What happened in it, where it is an agent's run that can be read.
    """

    workflow_id: str
    workflow_type: str
    args: Value | None = None
    result: Value | None = None
    failure: Failure | None = None
    trace: "Trace | None" = None


@dataclass(frozen=True, kw_only=True)
class TraceTurn:
    """One turn: what was said, and all that came of it.

    Attributes:
        id: ``t1``, ``t2``; ``t0`` holds what belongs to no turn, in a workflow that is no agent's everything.
        said: What began the turn; None where that part of the history is gone.
        ended_at: None while it is worked on.
    """

    id: str
    number: int
    said: Value | None = None
    began_at: datetime | None = None
    ended_at: datetime | None = None
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Totals:
    """What a run came to, the child runs that are unfolded included.

    Attributes:
        model_calls: That ended with an answer.
        usd_nanos: Sum of the prices that are known, in billionths of a dollar.
        unpriced: Model calls whose price is not known; it is not in the sum.
    """

    model_calls: int = 0
    tool_calls: int = 0
    failures: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd_nanos: int = 0
    unpriced: int = 0

    def __add__(self, other: "Totals") -> "Totals":
        return Totals(**{part.name: getattr(self, part.name) + getattr(other, part.name) for part in fields(self)})


@dataclass(frozen=True, kw_only=True)
class TraceQuestion:
    """What a parked run waits for; as ``outlive.contracts.agents.Question``, with the commands that decide it."""

    id: str
    reason: str
    choices: tuple[str, ...]
    subject: str
    commands: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class HistoryPart:
    """One workflow run of the chain that a run consists of.

    Attributes:
        id: Temporal's run id.
        events: How many the history has.
    """

    id: str
    began_at: datetime
    events: int


@dataclass(frozen=True, kw_only=True)
class Trace:
    """A run as its reader sees it.

    Attributes:
        id: The workflow id.
        agent: Name of the agent; None for any other workflow.
        run_id: The id that the caller gave: the last part of an agent's workflow id.
        state: As `outlive.engine.run_health.RunHealth` says.
        problem: What keeps it from moving, and what to do.
        input: Argument of a workflow that is no agent's.
        output: What it ended with.
        failure: Why it ended without.
        parts: The chain of workflow runs, the oldest first.
        notes: What could not be read, in sentences.
    """

    id: str
    workflow_type: str
    agent: str | None
    run_id: str
    state: str
    workflow_status: str
    problem: str | None = None
    questions: tuple[TraceQuestion, ...] = ()
    began_at: datetime | None = None
    ended_at: datetime | None = None
    input: Value | None = None
    turns: tuple[TraceTurn, ...] = ()
    output: Value | None = None
    failure: Failure | None = None
    totals: Totals = Totals()
    parts: tuple[HistoryPart, ...] = ()
    notes: tuple[str, ...] = ()

    def entries(self) -> Iterator[Entry]:
        """Yield all entries in order, without those of child runs."""
        for turn in self.turns:
            yield from turn.entries


def as_json(item: Any) -> Any:
    """Return a trace, or a part of one, as JSON values: objects with the fields' names, times in ISO 8601."""
    if is_dataclass(item) and not isinstance(item, type):
        return {part.name: as_json(getattr(item, part.name)) for part in fields(item)}
    if isinstance(item, datetime):
        return item.isoformat()
    if isinstance(item, tuple):
        return [as_json(one) for one in item]
    return item

"""A run in rows: each entry in one line, so that thousands of them are sent, compared and drawn at once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from outlive.engine.run_health import RunHealth
from outlive.names import split_agent_workflow_id, split_plan_workflow_id
from outlive.trace.bookkeeping import Booked
from outlive.trace.drafts import TurnDraft
from outlive.trace.known import KnownRun, began_of
from outlive.trace.model import (
    Call,
    ChildRun,
    Entry,
    Failure,
    HistoryPart,
    Message,
    ModelCall,
    Timer,
    ToolCall,
    Totals,
    Value,
    Wait,
)
from outlive.trace.totals import totals_of

LONGEST_SUMMARY = 160  # characters
_plain = json.JSONEncoder(ensure_ascii=False).encode
TEMPORAL_UI = "/temporal/"
"""Where the console serves Temporal's own Web UI."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One entry in a line. Fields that its kind has not are None.

    Attributes:
        id: Of the entry, as in a trace.
        parent: Id of the child entry that it belongs to; empty for the run itself.
        turn: Id of its turn.
        kind: As `outlive.trace.model` says.
        attempts: How often it was begun; 0 for what is no call.
        summary: What a person reads first: why it failed, what was said or answered, or what it was given.
        has_child: Workflow id of the child run, whose outline is its own.
        policy: As its effect declares.
        ledger_state: Of the effect, of a call that the ledger has.
        effect_key: Its key there; the events of the run name it as their call.
    """

    id: str
    parent: str
    turn: str
    kind: str
    name: str
    state: str
    began_at: datetime
    ended_at: datetime | None
    seconds: float | None
    attempts: int
    failures: int
    summary: str
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    usd_nanos: int | None
    has_child: str | None
    policy: str | None
    ledger_state: str | None
    effect_key: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class OutlineTurn:
    """A turn without its entries; ``said`` is cut."""

    id: str
    number: int
    began_at: datetime | None
    ended_at: datetime | None
    said: Value | None


@dataclass(frozen=True, kw_only=True)
class Outline:
    """A run in rows, or what has changed of them.

    Attributes:
        cursor: Asks for what changes from here on.
        is_delta: Whether ``turns`` and ``entries`` are only those that have changed since a cursor.
        is_whole: Whether everything up to the newest event was read; if not, more follows at once.
        totals: With the child runs, as far as they were read.
        temporal_url: Path of the run in Temporal's own Web UI, where the console serves that.
    """

    id: str
    cursor: str
    is_delta: bool
    is_whole: bool
    workflow_type: str
    agent: str | None
    plan: str | None
    run_id: str
    health: RunHealth
    began_at: datetime | None
    ended_at: datetime | None
    totals: Totals
    parts: Sequence[HistoryPart]
    turns: Sequence[OutlineTurn]
    entries: Sequence[Row]
    input: Value | None
    output: Value | None
    failure: Failure | None
    notes: Sequence[str]
    temporal_url: str


@dataclass(frozen=True, kw_only=True)
class Head:
    """What an outline says of the run as a whole."""

    health: RunHealth
    is_whole: bool
    totals: Totals
    parts: tuple[HistoryPart, ...]
    notes: tuple[str, ...]


class Outliner:
    """Keeps the rows of a known run, and which of them are new to whom.

    Attributes:
        head: What is known of the run as a whole; None before the first `update`.
    """

    def __init__(self, known: KnownRun, instance: str) -> None:
        """Take a run.

        Args:
            instance: Tells the cursors that are made here from those of other processes.
        """
        self.known = known
        self._instance = instance
        self._generation = -1
        self._version = 0
        self._upto = 0
        self._rows: dict[str, Row] = {}
        self._turns: dict[str, OutlineTurn] = {}
        self._changed: dict[str, int] = {}
        self.head: Head | None = None

    @property
    def cursor(self) -> str:
        """What asks for changes from here on."""
        return f"{self._instance}.{self._generation}.{self._version}"

    def update(self, children: Sequence[Totals], notes: Sequence[str]) -> None:
        """Take up what the run has become.

        Args:
            children: What its child runs came to.
            notes: On these.
        """
        known = self.known
        if known.health is None:
            return
        if known.generation != self._generation:
            self._generation, self._version, self._upto = known.generation, 0, 0
            self._rows, self._turns, self._changed, self.head = {}, {}, {}, None
        version = self._version + 1
        is_changed = known.version != self._upto
        if is_changed:
            self._take_changes(version)
        head = Head(
            health=known.health,
            is_whole=known.is_whole,
            totals=totals_of(known.entries.values(), children)
            if is_changed or self.head is None or children
            else self.head.totals,
            parts=tuple(known.builder.parts),
            notes=(*known.notes, *notes),
        )
        if is_changed or head != self.head:
            self.head, self._version = head, version

    def outline(self, since: str = "") -> Outline:
        """Return the rows that have changed since a cursor; all of them where the cursor says nothing here."""
        known, head = self.known, self.head
        assert head is not None
        after = self._after(since)
        if after is None:
            turns, rows = [*self._turns.values()], [*self._rows.values()]
        else:
            fresh = [item_id for item_id, version in self._changed.items() if version > after]
            turns = [self._turns[item_id] for item_id in fresh if item_id in self._turns]
            rows = [self._rows[item_id] for item_id in fresh if item_id in self._rows]
        builder = known.builder
        agent = split_agent_workflow_id(known.workflow_id) if builder.is_agent else None
        plan = split_plan_workflow_id(known.workflow_id)
        return Outline(
            id=known.workflow_id,
            cursor=self.cursor,
            is_delta=after is not None,
            is_whole=head.is_whole,
            workflow_type=builder.workflow_type,
            agent=agent[0] if agent else None,
            plan=plan[0] if plan else None,
            run_id=(agent or plan or ("", known.workflow_id))[1],
            health=head.health,
            began_at=began_of(known),
            ended_at=builder.ended_at or head.health.closed_at,
            totals=head.totals,
            parts=[*head.parts],
            turns=turns,
            entries=rows,
            input=builder.input,
            output=builder.output,
            failure=builder.failure,
            notes=[*head.notes],
            temporal_url=temporal_url(known.workflow_id, known.run_id, known.namespace),
        )

    def _after(self, cursor: str) -> int | None:
        """Return the version that a cursor of this run stands for; None for any other."""
        before, _, version = cursor.rpartition(".")
        if before != f"{self._instance}.{self._generation}" or not version.isdecimal():
            return None
        return int(version) if int(version) <= self._version else None

    def _take_changes(self, version: int) -> None:
        known, drafts = self.known, self.known.builder.drafts
        turns = {drafts.turn_id(turn.number): turn for turn in known.turns()}
        for item_id, changed_in in known.changes.items():
            if changed_in <= self._upto:
                continue
            if item_id in turns:
                self._turns[item_id] = turn_of(item_id, turns[item_id])
            else:
                self._rows[item_id] = row_of(known.entries[item_id], drafts.turn_of[item_id], known.booked(item_id))
            self._changed[item_id] = version
        self._upto = known.version


def temporal_url(workflow_id: str, run_id: str, namespace: str) -> str:
    """Return the path of a run in Temporal's own Web UI, below the console's origin."""
    workflow, run = quote(workflow_id, safe=""), quote(run_id, safe="")
    return f"{TEMPORAL_UI}namespaces/{quote(namespace, safe='')}/workflows/{workflow}/{run}/history"


def turn_of(turn_id: str, turn: TurnDraft) -> OutlineTurn:
    """Return a turn as an outline has it."""
    return OutlineTurn(id=turn_id, number=turn.number, began_at=turn.began_at, ended_at=turn.ended_at, said=turn.said)


def row_of(entry: Entry, turn_id: str, booked: Booked | None) -> Row:
    """Return an entry as a row."""
    call = entry if isinstance(entry, Call) else None
    model = entry if isinstance(entry, ModelCall) else None
    return Row(
        id=entry.id,
        parent="",
        turn=turn_id,
        kind=entry.kind,
        name=entry.name,
        state=entry.state,
        began_at=entry.began_at,
        ended_at=entry.ended_at,
        seconds=entry.seconds,
        attempts=call.attempts if call else 0,
        failures=call.failures if call else 0,
        summary=cut(summary_of(entry)),
        model=model.model if model else None,
        input_tokens=model.input_tokens if model else None,
        output_tokens=model.output_tokens if model else None,
        usd_nanos=model.usd_nanos if model else None,
        has_child=entry.workflow_id if isinstance(entry, ChildRun) else None,
        policy=booked.policy if booked else None,
        ledger_state=booked.state if booked else None,
        effect_key=booked.effect_key if booked else None,
    )


def summary_of(entry: Entry) -> str:
    """Return what a person reads first of an entry."""
    if isinstance(entry, Call | ChildRun) and entry.failure is not None and entry.state != "done":
        return f"{entry.failure.type}: {entry.failure.message}"
    if isinstance(entry, ModelCall):
        return _answered(entry)
    if isinstance(entry, ToolCall | ChildRun):
        return arguments_of(entry.args)
    if isinstance(entry, Wait):
        return f"{entry.choice}: {entry.reason}" if entry.choice else entry.reason
    if isinstance(entry, Message):
        return text_of(entry.content)
    return f"until {entry.fires_at.isoformat()}" if isinstance(entry, Timer) else ""


def _answered(call: ModelCall) -> str:
    if call.text is not None:
        return text_of(call.text)
    return ", ".join(f"{asked.tool}({arguments_of(asked.args)})" for asked in call.asked)


def arguments_of(value: Value | None) -> str:
    """Return what was given as ``name=value, …``, where it has names."""
    if value is not None and not value.is_cut and isinstance(value.content, dict):
        return ", ".join(f"{name}={_plain(one)}" for name, one in value.content.items())
    return text_of(value)


def text_of(value: Value | None) -> str:
    """Return a value as text: why it cannot be read, where it cannot."""
    if value is None:
        return ""
    if value.problem:
        return value.problem
    return value.content if isinstance(value.content, str) else _plain(value.content)


def cut(text: str) -> str:
    """Return text in one line, no longer than a row shows."""
    line = " ".join(text[: 4 * LONGEST_SUMMARY].split())
    return line if len(line) <= LONGEST_SUMMARY else f"{line[: LONGEST_SUMMARY - 1]}…"

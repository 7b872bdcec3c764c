"""A trace as lines of text. What models and tools said is hostile: it is shown, never obeyed by the terminal."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from outlive.cli.amounts import dollars, duration
from outlive.cli.terminal import printable
from outlive.trace.model import (
    VERDICTS,
    Call,
    ChildRun,
    Entry,
    Message,
    ModelCall,
    Timer,
    ToolCall,
    Totals,
    Trace,
    TraceTurn,
    Value,
    Wait,
)

FIRST_SHOWN, LAST_SHOWN = 20, 10  # entries of a long turn: how it began, and where it stands
FIRST_WORDS = 200  # characters of what a model said
ONE_LINE = 100  # characters of a value that stands behind its name rather than below


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of text.

    Attributes:
        tone: ``strong``, ``faint``, ``bad`` or nothing: for terminals.
    """

    depth: int
    text: str
    tone: str = ""


def money(usd_nanos: int, unpriced: int) -> str:
    """Return what calls cost, and for how many of them that is not known."""
    if not unpriced:
        return dollars(usd_nanos)
    unknown = f"{unpriced:,} call{'s' if unpriced > 1 else ''} at an unknown price"
    return f"{dollars(usd_nanos)} + {unknown}" if usd_nanos else unknown


def took(seconds: float | None) -> str:
    """Return a length of time, short ones to the hundredth."""
    if seconds is None:
        return ""
    return f"{seconds:.2g} s" if seconds < 10 else duration(seconds)


class TraceLines:
    """Writes one trace, and the child runs in it."""

    def __init__(self, trace: Trace, *, full: bool, now: datetime) -> None:
        """Take a trace.

        Args:
            trace: The trace.
            full: Whether every entry and every word is shown.
            now: Against which waiting is told.
        """
        self._trace = trace
        self._full = full
        self._now = now
        self._shown_id = trace.id.removeprefix("agent/")

    def lines(self) -> Iterator[Line]:
        """Yield the lines of the whole trace."""
        trace = self._trace
        yield from self._header(trace)
        for turn in trace.turns:
            yield from self._turn(trace, turn, 0)
        yield from self._ending(trace, 0)
        yield Line(depth=0, text=f"Total: {_totals(trace.totals)}", tone="strong")

    def _header(self, trace: Trace) -> Iterator[Line]:
        kind = "" if trace.agent else f"  ({trace.workflow_type})"
        yield Line(depth=0, text=f"{printable(trace.id)}{printable(kind)}  {trace.state}", tone="strong")
        if trace.began_at is not None:
            lasted = duration(((trace.ended_at or self._now) - trace.began_at).total_seconds())
            events = sum(part.events for part in trace.parts)
            runs = f" in {len(trace.parts)} workflow runs" if len(trace.parts) > 1 else ""
            verb = "took" if trace.ended_at else "for"
            text = f"began {_time(trace.began_at)}, {verb} {lasted}, {events:,} events{runs}"
            yield Line(depth=1, text=text, tone="faint")
        yield from _standing(trace, 1)
        for note in trace.notes:
            yield Line(depth=1, text=f"Note: {printable(note)}", tone="faint")
        if trace.input is not None:
            yield from self._labelled("input", trace.input, 1)

    def _turn(self, trace: Trace, turn: TraceTurn, depth: int) -> Iterator[Line]:
        if turn.number:
            span = (
                f", {took((turn.ended_at - turn.began_at).total_seconds())}" if turn.ended_at and turn.began_at else ""
            )
            at = f"  {_time(turn.began_at)}{span}" if turn.began_at else ""
            yield Line(depth=depth, text=f"Turn {turn.number}{at}", tone="strong")
            if turn.said is not None:
                yield from self._labelled("user", turn.said, depth + 1)
        below = depth + (1 if turn.number else 0)
        for entry, left_out in self._folded(turn.entries):
            if left_out:
                yield Line(depth=below + 1, text=f"… {left_out:,} more (--full)", tone="faint")
            is_inner = trace.agent is not None and not isinstance(entry, ModelCall)
            yield from self._entry(entry, below + (1 if is_inner else 0))

    def _folded(self, entries: Sequence[Entry]) -> Iterator[tuple[Entry, int]]:
        """Yield the entries that are shown, each with how many are left out before it."""
        left_out = len(entries) - FIRST_SHOWN - LAST_SHOWN
        if self._full or left_out <= 1:
            yield from ((entry, 0) for entry in entries)
            return
        yield from ((entry, 0) for entry in entries[:FIRST_SHOWN])
        for number, entry in enumerate(entries[-LAST_SHOWN:]):
            yield entry, 0 if number else left_out

    def _entry(self, entry: Entry, depth: int) -> Iterator[Line]:
        if isinstance(entry, ModelCall):
            yield from self._model_call(entry, depth)
        elif isinstance(entry, ToolCall):
            yield from self._tool_call(entry, depth)
        elif isinstance(entry, Wait):
            yield from self._wait(entry, depth)
        elif isinstance(entry, Timer):
            named = f" {printable(entry.name)}" if entry.name else ""
            ends = "fired" if entry.state == "done" else entry.state
            yield Line(depth=depth, text=f"{entry.id}  timer{named} until {_time(entry.fires_at)}: {ends}")
        elif isinstance(entry, Message):
            what = "steered by" if entry.name == "steering" else f"{printable(entry.name)} from"
            yield Line(depth=depth, text=f"{entry.id}  {what} {printable(entry.sent_by)}")
            if entry.content is not None:
                yield from self._block(entry.content, depth + 1)
        elif isinstance(entry, ChildRun):
            yield from self._child(entry, depth)

    def _model_call(self, call: ModelCall, depth: int) -> Iterator[Line]:
        facts = [f"model {printable(call.model) or 'unknown'}"]
        if call.name == "model_compact_messages":
            facts.append("compacting the conversation")
        if call.input_tokens is not None:
            facts.append(f"{call.input_tokens:,} tokens in, {call.output_tokens or 0:,} out")
        if call.state == "done":
            facts.append(dollars(call.usd_nanos) if call.usd_nanos is not None else "price unknown")
        yield Line(depth=depth, text=f"{call.id}  {'  '.join([*facts, *self._progress(call)])}", tone=_tone(call))
        yield from self._failure(call, depth + 1)
        if self._full and call.thinking is not None:
            yield from self._labelled("thinks", call.thinking, depth + 1)
        if call.text is not None:
            yield from self._block(call.text, depth + 1, limit=None if self._full else FIRST_WORDS)
        if call.asked:
            asked = ", ".join(f"{printable(one.tool)}({_inline(one.args, 60)})" for one in call.asked)
            yield Line(depth=depth + 1, text=f"asks for {asked}", tone="faint")

    def _tool_call(self, call: ToolCall, depth: int) -> Iterator[Line]:
        given = "" if call.args is None else _inline(call.args, ONE_LINE)
        fits = call.args is None or _fits(call.args)
        name = printable(call.name)
        shown = f"{name}({given})" if fits and call.args is not None else name
        yield Line(depth=depth, text="  ".join([call.id, shown, *self._progress(call)]), tone=_tone(call))
        if call.args is not None and not fits:
            yield from self._labelled("given", call.args, depth + 1)
        yield from self._failure(call, depth + 1)
        if call.result is not None and not (call.kind == "activity" and call.result.content is None):
            verdict = VERDICTS.get(call.verdict, call.verdict.replace("_", " "))
            label = "→" if verdict in {"", "tool return", "tool content result"} else f"→ {printable(verdict)}:"
            yield from self._labelled(label, call.result, depth + 1, colon="")

    def _progress(self, call: Call) -> list[str]:
        """Return where a call stands: its time, its attempts, what is next."""
        parts = []
        if call.seconds is not None:
            parts.append(took(call.seconds))
        if call.attempts > 1:
            parts.append(f"{call.attempts} attempts")
        if call.state == "retrying":
            left = max((call.next_at - self._now).total_seconds(), 0.0) if call.next_at else 0.0
            parts.append(
                f"attempt {call.attempts + 1} in {duration(left)}" if left else f"attempt {call.attempts + 1} now"
            )
        elif call.state == "scheduled":
            parts.append("waits for a worker")
        elif call.state == "running":
            since = (self._now - (call.started_at or call.began_at)).total_seconds()
            parts.append(f"running for {duration(max(since, 0.0))}")
        elif call.state != "done":
            parts.append(call.state.replace("_", " "))
        return parts

    def _failure(self, call: Call, depth: int) -> Iterator[Line]:
        if call.failure is None:
            return
        said = f"{call.failure.type}: {call.failure.message}"
        label = (
            "because"
            if call.state != "done"
            else f"failed {call.failures} time{'s' if call.failures > 1 else ''} before"
        )
        for number, text in enumerate(said.splitlines()[: None if self._full else 3]):
            yield Line(depth=depth, text=f"{f'{label}: ' if not number else '  '}{printable(text)}", tone="bad")

    def _wait(self, wait: Wait, depth: int) -> Iterator[Line]:
        if wait.ended_at is None:
            text = f"parked since {_time(wait.began_at)}: {printable(wait.reason)}"
            yield Line(depth=depth, text=f"{wait.id}  {text}", tone="bad")
            yield Line(depth=depth + 1, text=f"choices: {', '.join(printable(choice) for choice in wait.choices)}")
            return
        yield Line(depth=depth, text=f"{wait.id}  parked {took(wait.seconds)}: {printable(wait.reason)}")
        decided = f"decided: {printable(wait.choice)}, by {printable(wait.decided_by)}" if wait.choice else wait.state
        yield Line(depth=depth + 1, text=decided)

    def _child(self, child: ChildRun, depth: int) -> Iterator[Line]:
        facts = [child.id, f"child run {printable(child.name)}", printable(child.workflow_id), child.state]
        if child.seconds is not None:
            facts.append(took(child.seconds))
        yield Line(depth=depth, text="  ".join(facts), tone="bad" if child.state == "failed" else "")
        if child.args is not None:
            yield from self._labelled("given", child.args, depth + 1)
        if child.trace is not None:
            yield from _standing(child.trace, depth + 1)
            for turn in child.trace.turns:
                yield from self._turn(child.trace, turn, depth + 1)
            yield from self._ending(child.trace, depth + 1)
            yield Line(depth=depth + 1, text=_totals(child.trace.totals), tone="faint")
            return
        if child.failure is not None:
            yield Line(depth=depth + 1, text=printable(f"{child.failure.type}: {child.failure.message}"), tone="bad")
        if child.result is not None:
            yield from self._labelled("→", child.result, depth + 1, colon="")

    def _ending(self, trace: Trace, depth: int) -> Iterator[Line]:
        if trace.output is not None:
            yield from self._labelled("Output", trace.output, depth)
        if trace.failure is not None:
            text = f"{trace.state.capitalize()}: {trace.failure.type}: {trace.failure.message}"
            yield Line(depth=depth, text=printable(text), tone="bad")

    def _labelled(self, label: str, value: Value, depth: int, *, colon: str = ":") -> Iterator[Line]:
        if _fits(value):
            yield Line(depth=depth, text=f"{label}{colon} {_inline(value, ONE_LINE)}")
        else:
            yield Line(depth=depth, text=f"{label}{colon}")
            yield from self._block(value, depth + 1)

    def _block(self, value: Value, depth: int, *, limit: int | None = None) -> Iterator[Line]:
        """Yield a value over as many lines as it takes, and where the whole is found if this is not it."""
        if value.problem:
            yield Line(depth=depth, text=f"({_size(value.size)}: {printable(value.problem)})", tone="faint")
            return
        text = _text(value)
        is_cut = value.is_cut or (limit is not None and len(text) > limit)
        lines = (text[:limit] if limit else text).splitlines() or [""]
        for number, line in enumerate(lines):
            ending = f" …({_size(value.size)}; {self._command(value)})" if is_cut and number == len(lines) - 1 else ""
            yield Line(depth=depth, text=f"{printable(line.expandtabs(4))}{ending}")

    def _command(self, value: Value) -> str:
        return f"outlive show {printable(self._shown_id)} --value {value.ref}"


def _standing(trace: Trace, depth: int) -> Iterator[Line]:
    """Yield what keeps a run from moving, and what to do."""
    if trace.problem:
        yield Line(depth=depth, text=printable(trace.problem), tone="bad")
    for question in trace.questions:
        yield Line(depth=depth, text=f"It waits for a decision: {printable(question.reason)}", tone="bad")
        for command in question.commands:
            yield Line(depth=depth + 1, text=printable(command))


def _tone(call: Call) -> str:
    return "bad" if call.state in {"failed", "timed_out", "retrying"} else ""


def _totals(totals: Totals) -> str:
    parts = [f"{totals.model_calls:,} model calls", f"{totals.tool_calls:,} tool calls"]
    if totals.failures:
        parts.append(f"{totals.failures:,} failed attempts")
    parts.append(f"{totals.input_tokens:,} tokens in, {totals.output_tokens:,} out")
    if totals.model_calls:
        parts.append(money(totals.usd_nanos, totals.unpriced))
    return " · ".join(parts)


def _text(value: Value) -> str:
    content: Any = value.content
    return content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)


def _fits(value: Value) -> bool:
    text = _text(value)
    return not value.is_cut and not value.problem and len(text) <= ONE_LINE and "\n" not in text.strip("\n")


def _inline(value: Value, limit: int) -> str:
    if value.problem:
        return "…"
    content = value.content
    if isinstance(content, dict):
        shown = ", ".join(f"{key}={json.dumps(one, ensure_ascii=False)}" for key, one in content.items())
    else:
        shown = _text(value).strip("\n")
    return printable(shown if len(shown) <= limit else f"{shown[:limit]}…")


def _size(size: int) -> str:
    return f"{size:,} bytes" if size < 1_000 else f"{size / 1_000:,.0f} KB"


def _time(at: datetime) -> str:
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S}"

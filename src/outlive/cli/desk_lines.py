"""What waits for a person, in lines."""

import json
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from outlive.cli.amounts import duration
from outlive.cli.run_view import MEANINGS, in_line
from outlive.cli.terminal import printable
from outlive.contracts.events import EventKind, RunEvent
from outlive.desk.records import HandOff
from outlive.ledger.approval_rules import ApprovalRule
from outlive.streams.log import StreamLog

LAST_EVENTS = 400  # that are looked through for the last turns
LAST_TURNS = 6  # entries that a person reads to know what it is about
LONGEST_LINE = 100
ACCEPTS_VALUE = {"approve": "--args JSON", "answer": "--value JSON", "done": "--value JSON", "raise": "--value 2usd"}


def table(found: Sequence[HandOff], now: datetime) -> Iterator[str]:
    """Yield one line for each hand-off, below a head."""
    if not found:
        return
    heads = ["id", "kind", "waits", "run", "whose", "what"]
    rows = [[printable(cell) for cell in _cells(one, now)] for one in found]
    widths = [max(len(row[column]) for row in [heads, *rows]) for column in range(len(heads) - 1)]
    for row in [heads, *rows]:
        padded = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
        yield "  ".join([*padded, row[-1]]).rstrip()


def _cells(one: HandOff, now: datetime) -> list[str]:
    end = one.decided_at or now
    whose = one.claimed_by or (f"→ {one.escalated_to}" if one.escalated_to else "")
    if one.state != "open":
        whose = f"{one.state}: {one.choice} by {one.decided_by}" if one.choice else one.state
    waited = duration(max((end - one.opened_at).total_seconds(), 0.0))
    return [one.id, one.kind, waited, one.run, whose, in_line(one.reason, longest=LONGEST_LINE)]


def details(one: HandOff, turns: Sequence[dict[str, str]], now: datetime) -> Iterator[str]:
    """Yield all that is needed to decide."""
    waited = duration(max(((one.decided_at or now) - one.opened_at).total_seconds(), 0.0))
    yield f"{one.id}  {one.kind} of {printable(one.run)}, {one.state}"
    yield f"  {printable(one.reason)}"
    yield f"  since {one.opened_at.astimezone():%Y-%m-%d %H:%M:%S} ({waited})"
    if one.claimed_by:
        yield f"  claimed by {printable(one.claimed_by)}"
    if one.escalated_to:
        yield f"  passed on to {printable(one.escalated_to)}"
    if turns:
        yield "What was said last:"
        yield from (f"  {turn['who']}: {printable(turn['text'])}" for turn in turns)
    for name, value in one.about.items():
        if value not in (None, {}, ""):
            yield f"{printable(name)}:"
            yield from (f"  {printable(line)}" for line in _pretty(value).splitlines())
    yield from _ending(one) if one.state != "open" else _choices(one)


def _ending(one: HandOff) -> Iterator[str]:
    yield f"Decided: {one.choice}, by {printable(one.decided_by or '')}" if one.choice else "Nobody has decided."
    if one.note:
        yield f"  {printable(one.note)}"
    if one.value is not None:
        yield from (f"  {printable(line)}" for line in _pretty(one.value).splitlines())


def _choices(one: HandOff) -> Iterator[str]:
    yield "Choices:"
    for choice in one.choices:
        value = f" [{ACCEPTS_VALUE[choice]}]" if choice in ACCEPTS_VALUE else ""
        yield f"  outlive answer {one.id} {choice}{value}    {MEANINGS.get(choice, '')}".rstrip()


def rule_lines(rules: Sequence[ApprovalRule]) -> Iterator[str]:
    """Yield one line for each rule."""
    for rule in rules:
        conditions = " and ".join(str(condition) for condition in rule.conditions) or "always"
        made = f"{datetime.fromtimestamp(rule.made_at).astimezone():%Y-%m-%d %H:%M}"
        revoked = f", revoked by {rule.revoked_by}" if rule.revoked_at is not None else ""
        yield printable(f"{rule.number}  {rule.agent}: {rule.tool}  {conditions}  by {rule.made_by}, {made}{revoked}")


async def last_turns(streams: StreamLog, workflow_id: str) -> list[dict[str, str]]:
    """Return what was said and done last in a run, for whoever decides."""
    last = await streams.last_offset(workflow_id)
    if last is None:
        return []
    events = await streams.read(workflow_id, max(last - LAST_EVENTS, 0), LAST_EVENTS + 1)
    return [turn for event in events if (turn := _turn(event)) is not None][-LAST_TURNS:]


def _turn(event: RunEvent) -> dict[str, str] | None:
    data = event.data
    if event.kind == EventKind.TURN_STARTED and data.get("content") is not None:
        return {"who": "user", "text": in_line(data["content"], longest=1_000)}
    if event.kind == EventKind.TURN_ENDED and "output" in data:
        return {"who": str(data.get("by") or "agent"), "text": in_line(data["output"], longest=1_000)}
    if event.kind == EventKind.TOOL_ENDED:
        return {"who": str(data.get("tool", "tool")), "text": in_line(data.get("result", ""), longest=1_000)}
    return None


def _pretty(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)

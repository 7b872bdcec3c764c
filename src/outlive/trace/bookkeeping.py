"""What the ledger knows of the calls of runs: attempts, tokens, money."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, case, func, literal, select

from outlive.ledger.dialects import json_number, total
from outlive.ledger.ledger import Ledger
from outlive.ledger.schema import effects
from outlive.trace.drafts import Drafts
from outlive.trace.model import Call, Failure, ModelCall

CLOCKS_APART = 5.0  # seconds by which the clocks of engine and worker may differ
IDS_PER_QUERY = 500  # SQLite takes 32,766 values in one statement, older ones 999

MODEL, TOOL = "model", "tool"
KINDS = {"model_call": MODEL, "tool_call": TOOL}


@dataclass(frozen=True, kw_only=True)
class Spending:
    """What the calls of one run came to.

    Attributes:
        model_calls: That are done.
        tool_calls: That are done.
        usd_nanos: Sum of the prices that are known, in billionths of a dollar.
        unpriced: Model calls whose price is not known.
        began_at: When the first call was begun, in seconds since the epoch.
    """

    model_calls: int = 0
    tool_calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd_nanos: int = 0
    unpriced: int = 0
    began_at: float | None = None


@dataclass(frozen=True, kw_only=True)
class _Booked:
    """A call as the ledger has it, without its result."""

    activity_id: str
    kind: str
    attempts: int
    failures: int
    begun_at: float
    error: str | None
    facts: dict[str, Any]


async def spending(ledger: Ledger, workflow_ids: Sequence[str]) -> dict[str, Spending]:
    """Return what runs came to, by workflow id; nothing for those that this ledger has no call of.

    Raises:
        LedgerError: If the ledger cannot be read.
    """
    found: dict[str, Spending] = {}
    for start in range(0, len(workflow_ids), IDS_PER_QUERY):
        found |= await ledger.call(_spending, ledger.engine, workflow_ids[start : start + IDS_PER_QUERY])
    return found


async def add_bookkeeping(ledger: Ledger, workflow_id: str, drafts: Drafts) -> None:
    """Add to the calls of a run what the ledger knows of them and history does not.

    Raises:
        LedgerError: If the ledger cannot be read.
    """
    unused: dict[tuple[str, str], list[_Booked]] = defaultdict(list)
    for found in await ledger.call(_booked, ledger.engine, workflow_id):
        unused[found.activity_id, found.kind].append(found)
    for call in drafts.all():
        if isinstance(call, Call) and (kind := KINDS.get(call.kind)):
            candidates = unused[call.activity_id, kind]
            if (booked := _of_call(call, candidates)) is not None:
                candidates.remove(booked)
                drafts.change(call.id, **_additions(call, booked))


def _spending(engine: Engine, workflow_ids: Sequence[str]) -> dict[str, Spending]:
    is_done = effects.c.state == "done"
    is_model = (effects.c.kind == MODEL) & is_done

    def fact(name: str) -> Any:
        return json_number(effects.c.facts, literal(name))

    def count(condition: Any) -> Any:
        return func.count(case((condition, 1)))

    query = (
        select(
            effects.c.workflow_id,
            count(is_model).label("model_calls"),
            count((effects.c.kind == TOOL) & is_done).label("tool_calls"),
            total(case((is_model, fact("input_tokens")), else_=0)).label("input_tokens"),
            total(case((is_model, fact("output_tokens")), else_=0)).label("output_tokens"),
            total(case((is_model, fact("usd_nanos")), else_=0)).label("usd_nanos"),
            count(is_model & fact("usd_nanos").is_(None)).label("unpriced"),
            func.min(effects.c.begun_at).label("began_at"),
        )
        .where(effects.c.workflow_id.in_(workflow_ids))
        .group_by(effects.c.workflow_id)
    )
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    return {row.pop("workflow_id"): Spending(**{name: value or 0 for name, value in row.items()}) for row in rows}


def _booked(engine: Engine, workflow_id: str) -> list[_Booked]:
    columns = (effects.c[name] for name in _Booked.__dataclass_fields__)  # results are large, and stand in the history
    query = select(*columns).where(effects.c.workflow_id == workflow_id).order_by(effects.c.begun_at)
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(query).mappings()]
    return [_Booked(**{**row, "facts": json.loads(row["facts"] or "{}")}) for row in rows]


def _of_call(call: Call, candidates: Sequence[_Booked]) -> _Booked | None:
    """Return what was booked for a call: activity ids begin again wherever a run continued as new, times tell."""
    asked = call.began_at.timestamp()
    ended = call.ended_at.timestamp() if call.ended_at else float("inf")
    within = [one for one in candidates if asked - CLOCKS_APART <= one.begun_at <= ended + CLOCKS_APART]
    return min(within, key=lambda one: abs(one.begun_at - asked), default=None)


def _additions(call: Call, booked: _Booked) -> dict[str, Any]:
    additions: dict[str, Any] = {"attempts": max(call.attempts, booked.attempts)}
    additions["failures"] = max(call.failures, booked.failures)
    if call.ended_at is not None:
        additions["seconds"] = max(call.ended_at.timestamp() - booked.begun_at, 0.0)
    if call.failure is None and booked.error and booked.failures:
        kind, _, message = booked.error.partition(": ")
        additions["failure"] = Failure(type=kind, message=message)
    if isinstance(call, ModelCall):
        facts = booked.facts
        additions["usd_nanos"] = facts.get("usd_nanos")
        for name in ("input_tokens", "output_tokens"):
            additions[name] = getattr(call, name) if getattr(call, name) is not None else facts.get(name)
    return additions

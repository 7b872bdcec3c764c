"""What the ledger knows of the calls of runs: attempts, tokens, money."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine, case, func, literal, or_, select

from outlive.ledger.dialects import json_number, total
from outlive.ledger.ledger import Ledger
from outlive.ledger.schema import effects
from outlive.trace.model import Call, Failure, ModelCall

CLOCKS_APART = 5.0  # seconds by which the clocks of engine and worker may differ
IDS_PER_QUERY = 500  # SQLite takes 32,766 values in one statement, older ones 999

OVERLAP = 2 * CLOCKS_APART  # a call that ended before others may be written down after them, by another clock

MODEL, TOOL, DONE, ACTIVITY = "model", "tool", "done", "activity"
KINDS = {"model_call": (MODEL,), "tool_call": (TOOL,), ACTIVITY: ("effect", "undo", "other")}
"""What an entry of a kind is in the ledger."""


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


@dataclass(frozen=True, kw_only=True, slots=True)
class Booked:
    """A call as the ledger has it, without its result.

    Attributes:
        policy: As its effect declares; None for what declares none.
        state: Of the effect: `outlive.ledger.effects.EffectState`.
        facts: What is known of it: model, tokens, price.
    """

    effect_key: str
    activity_id: str
    kind: str
    policy: str | None
    state: str
    attempts: int
    failures: int
    begun_at: float
    ended_at: float | None
    error: str | None
    facts: Mapping[str, Any]


class Books:
    """What the ledger has of the calls of one run, each with the entry that it belongs to."""

    def __init__(self, ledger: Ledger, workflow_id: str) -> None:
        """Begin with nothing read."""
        self._ledger = ledger
        self._workflow_id = workflow_id
        self._read_to = 0.0
        self._by_key: dict[str, Booked] = {}
        self._entry_of: dict[str, str] = {}
        self._key_of: dict[str, str] = {}
        self._unused: dict[str, list[str]] = defaultdict(list)
        self._lacking: dict[str, dict[str, None]] = defaultdict(dict)

    async def read(self) -> list[str]:
        """Read what has changed since the last time, and return the ids of the entries that it may concern.

        Raises:
            LedgerError: If the ledger cannot be read.
        """
        concerned: dict[str, None] = {}
        for found in await self._ledger.call(_booked, self._ledger.engine, self._workflow_id, self._read_to):
            if found.ended_at is not None:
                self._read_to = max(self._read_to, found.ended_at - OVERLAP)
            known = self._by_key.get(found.effect_key)
            if known == found:
                continue
            self._by_key[found.effect_key] = found
            if known is None:
                self._unused[found.activity_id].append(found.effect_key)
                concerned.update(self._lacking[found.activity_id])
            elif entry_id := self._entry_of.get(found.effect_key):
                concerned[entry_id] = None
        return list(concerned)

    def of(self, call: Call) -> Booked | None:
        """Return what was booked for a call; each is given to one entry alone."""
        if (key := self._key_of.get(call.id)) is not None:
            return self._by_key[key]
        if not call.activity_id:  # a local one
            return None
        unused = self._unused[call.activity_id]
        found = _of_call(call, [self._by_key[key] for key in unused])
        if found is None:
            self._lacking[call.activity_id][call.id] = None
            return None
        unused.remove(found.effect_key)
        self._lacking[call.activity_id].pop(call.id, None)
        self._key_of[call.id], self._entry_of[found.effect_key] = found.effect_key, call.id
        return found


async def spending(ledger: Ledger, workflow_ids: Sequence[str]) -> dict[str, Spending]:
    """Return what runs came to, by workflow id; nothing for those that this ledger has no call of.

    Raises:
        LedgerError: If the ledger cannot be read.
    """
    found: dict[str, Spending] = {}
    for start in range(0, len(workflow_ids), IDS_PER_QUERY):
        found |= await ledger.call(_spending, ledger.engine, workflow_ids[start : start + IDS_PER_QUERY])
    return found


def _spending(engine: Engine, workflow_ids: Sequence[str]) -> dict[str, Spending]:
    is_done = effects.c.state == DONE
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


def _booked(engine: Engine, workflow_id: str, since: float) -> list[Booked]:
    columns = (effects.c[name] for name in Booked.__dataclass_fields__)  # results are large, and stand in the history
    # done is done; whatever else stands there may become something else, also by a person's decision
    is_open = or_(effects.c.state != DONE, effects.c.ended_at.is_(None))
    may_have_changed = or_(is_open, effects.c.ended_at >= since, effects.c.settled.isnot(None))
    query = select(*columns).where(effects.c.workflow_id == workflow_id, may_have_changed)
    with engine.connect() as connection:
        rows = [dict(row) for row in connection.execute(query.order_by(effects.c.begun_at)).mappings()]
    return [Booked(**{**row, "facts": json.loads(row["facts"] or "{}")}) for row in rows]


def _of_call(call: Call, candidates: Sequence[Booked]) -> Booked | None:
    """Return what was booked for a call: activity ids begin again wherever a run continued as new, times tell."""
    kinds = KINDS.get(call.kind, ())
    asked = call.began_at.timestamp()
    ended = call.ended_at.timestamp() if call.ended_at else float("inf")
    within = [
        one for one in candidates if one.kind in kinds and asked - CLOCKS_APART <= one.begun_at <= ended + CLOCKS_APART
    ]
    return min(within, key=lambda one: abs(one.begun_at - asked), default=None)


def additions(call: Call, booked: Booked) -> dict[str, Any]:
    """Return what the ledger knows of a call and history does not, as changes to its entry."""
    if call.kind == ACTIVITY:
        return {}
    more: dict[str, Any] = {"attempts": max(call.attempts, booked.attempts)}
    more["failures"] = max(call.failures, booked.failures)
    if call.ended_at is not None:
        more["seconds"] = max(call.ended_at.timestamp() - booked.begun_at, 0.0)
    if call.failure is None and booked.error and booked.failures:
        kind, _, message = booked.error.partition(": ")
        more["failure"] = Failure(type=kind, message=message)
    if isinstance(call, ModelCall):
        facts = booked.facts
        more["usd_nanos"] = facts.get("usd_nanos")
        for name in ("input_tokens", "output_tokens"):
            more[name] = getattr(call, name) if getattr(call, name) is not None else facts.get(name)
    return more

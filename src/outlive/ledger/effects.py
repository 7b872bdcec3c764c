"""Effects: calls of models and tools, and what else changes the world: which are done, with what result.

The states of one effect, and what leads from one to the next::

    begun ──finish──▶ done
      │ ▲
      │ └──claim── failed, unknown        another attempt
      ├──fail────▶ failed                 nothing happened, or its policy lets it be repeated
      ├──fail────▶ unknown                it may have happened
      └──claim───▶ unknown                its worker died, and the policy is ``once``
    unknown ──settle──▶ done | failed | refused

What a plan only rehearses is ``shadowed`` from the beginning, and stays so.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, Select, or_, select, update

from outlive.errors import LedgerError
from outlive.ledger.dialects import insert_into
from outlive.ledger.families import of_run
from outlive.ledger.outages import Again, repeatable
from outlive.ledger.schema import answers, effects
from outlive.ledger.spending import Spent, record_spent

LONGEST_ERROR = 4_000  # characters
UNFIT = "unfit_answers"  # among the facts of a call that is not done


class EffectState(StrEnum):
    """Where an effect stands.

    Attributes:
        BEGUN: An attempt is being made, or its worker has died in it.
        DONE: It happened, and its result is recorded.
        FAILED: The last attempt ended with an error; another may be made.
        UNKNOWN: It may have happened: a check, or a person, has to tell.
        REFUSED: A person said that it failed, and that it is not to be made again.
        SHADOWED: It was asked for in a rehearsal, and not made.
    """

    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    SHADOWED = "shadowed"


class Standing(StrEnum):
    """What a worker is to do with an effect that it claims.

    Attributes:
        MAKE: Make it; no attempt before had an effect.
        REMAKE: Make it by its policy: an earlier attempt may have had its effect.
        HELD: Wait: another worker may still be making it, until its lease ends.
        DONE: Return the recorded result.
        UNKNOWN: A person has to say whether it happened.
        REFUSED: A person said that it is not to be made.
    """

    MAKE = "make"
    REMAKE = "remake"
    HELD = "held"
    DONE = "done"
    UNKNOWN = "unknown"
    REFUSED = "refused"


class Settling(StrEnum):
    """What a person may say of an effect whose outcome is not known."""

    DONE = "done"
    RETRY = "retry"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class Settlement:
    """What a person decided about an effect.

    Attributes:
        verdict: One of `Settling`.
        value: What it returned, JSON, where it is said to be done.
        by: Who decided.
        at: Seconds since the epoch.
    """

    verdict: str
    value: Any = None
    by: str = ""
    at: float = 0.0


@dataclass(frozen=True, kw_only=True)
class EffectClaim:
    """A call that is about to be made.

    Attributes:
        effect_key: From `effect_key`.
        kind: ``model``, ``tool``, ``effect`` (of a plan), ``undo`` or ``other``.
        name: Of the tool, the effect or the activity.
        policy: As declared; None for what was not.
        owner: The worker that claims it.
        lease_seconds: How long no other may make it, unless renewed; None where the policy needs no lease.
        is_once: Whether an outcome that nobody knows goes to a person.
        arguments: A serialised Temporal payload.
    """

    effect_key: str
    workflow_id: str
    activity_id: str
    kind: str
    name: str
    policy: str | None = None
    owner: str = ""
    lease_seconds: float | None = None
    is_once: bool = False
    arguments: bytes | None = None


@dataclass(frozen=True, kw_only=True)
class EffectRecord:
    """An effect as the ledger has it.

    Attributes:
        attempts: How often it was begun, deaths of a worker included.
        failures: How often it ended with an error, since it was last settled.
        owner: The worker that makes it, or made it last.
        lease_until: Before that no other may make it; seconds since the epoch.
        arguments: Of a declared effect, as a serialised Temporal payload.
        result: The activity's result as a serialised Temporal payload, once it is done.
        facts: What is known of it: model, tokens, price in billionths of a dollar.
        settled: What a person decided about it last.
    """

    effect_key: str
    workflow_id: str
    activity_id: str
    kind: str
    name: str
    state: EffectState
    attempts: int
    failures: int
    begun_at: float
    policy: str | None = None
    owner: str | None = None
    lease_until: float | None = None
    arguments: bytes | None = None
    ended_at: float | None = None
    result: bytes | None = None
    error: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    settled: Settlement | None = None

    @property
    def unfit(self) -> int:
        """How often what came was no answer at all."""
        return int(self.facts.get(UNFIT, 0))


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """The answer to a claim: what is to be done, and the effect as it is now."""

    standing: Standing
    record: EffectRecord


class Effects:
    """Reads and writes of effects, to be run through `Ledger.call`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(outlive_writes=True)

    @repeatable(Again.UNCOMMITTED)
    def claim(self, claim: EffectClaim, *, is_gone: Callable[[str], bool] = lambda _: False) -> Claimed:
        """Take an effect up, or learn why it is not to be made.

        Args:
            is_gone: Tells of an owner that it cannot go on, so that its lease counts no more.
        """
        now = time.time()
        lease = None if claim.lease_seconds is None else now + claim.lease_seconds
        first = insert_into(self._engine, effects).values(
            effect_key=claim.effect_key,
            workflow_id=claim.workflow_id,
            activity_id=claim.activity_id,
            kind=claim.kind,
            name=claim.name,
            state=EffectState.BEGUN,
            policy=claim.policy,
            attempts=1,
            failures=0,
            owner=claim.owner,
            lease_until=lease,
            arguments=claim.arguments,
            begun_at=now,
        )
        with self._writing.begin() as connection:
            if connection.execute(first.on_conflict_do_nothing().returning(effects.c.effect_key)).first():
                return Claimed(standing=Standing.MAKE, record=_found(connection, claim.effect_key))
            record = _found(connection, claim.effect_key, for_update=True)
            standing = _standing(record, claim, now=now, is_gone=is_gone)
            if standing in {Standing.MAKE, Standing.REMAKE}:
                taken = {"state": EffectState.BEGUN, "attempts": record.attempts + 1}
                _change(connection, claim.effect_key, **taken, owner=claim.owner, lease_until=lease)
            elif standing is Standing.UNKNOWN and record.state is not EffectState.UNKNOWN:
                _change(connection, claim.effect_key, state=EffectState.UNKNOWN, ended_at=now)
            return Claimed(standing=standing, record=_found(connection, claim.effect_key))

    def renew(self, key: str, *, attempt: int, seconds: float) -> bool:
        """Hold an effect for longer; False where another attempt has taken over."""
        with self._writing.begin() as connection:
            extended = update(effects).where(*_held(key, attempt)).values(lease_until=time.time() + seconds)
            return connection.execute(extended).rowcount == 1

    def release(self, key: str, *, attempt: int) -> None:
        """Let an effect go whose attempt was broken off: the next one need not wait."""
        with self._writing.begin() as connection:
            connection.execute(update(effects).where(*_held(key, attempt)).values(lease_until=0.0))

    @repeatable(Again.UNCOMMITTED)
    def finish(self, key: str, result: bytes, facts: dict[str, Any], *, spent: Spent | None = None) -> bytes:
        """Record an effect as done, and return the result that counts: the first that was recorded.

        Args:
            spent: What it came to, counted in the same transaction, whichever result counts.
        """
        done = {"state": EffectState.DONE, "result": result, "facts": json.dumps(facts), "ended_at": time.time()}
        is_open = or_(effects.c.state != EffectState.DONE, effects.c.result.is_(None))
        with self._writing.begin() as connection:
            connection.execute(update(effects).where(effects.c.effect_key == key, is_open).values(**done))
            if spent is not None:
                record_spent(connection, [spent])
            return _found(connection, key).result or result

    @repeatable(Again.ALWAYS)
    def fail(
        self, key: str, error: str, *, attempt: int, is_unfit: bool = False, may_have_happened: bool = False
    ) -> EffectRecord:
        """Record that an attempt ended with an error, and return what is known of the effect now.

        What an attempt says that another one has taken over from counts no more.

        Args:
            is_unfit: Whether something came that was no answer at all: such failures are counted apart too, since an
                outage before them must not use up their attempts.
            may_have_happened: Whether it may have had its effect all the same.
        """
        failed = {
            "state": EffectState.UNKNOWN if may_have_happened else EffectState.FAILED,
            "failures": effects.c.failures + 1,
            "error": error[:LONGEST_ERROR],
            "ended_at": time.time(),
        }
        with self._writing.begin() as connection:
            if is_unfit:
                so_far = _found(connection, key, for_update=True)
                failed["facts"] = json.dumps({**so_far.facts, UNFIT: so_far.unfit + 1})
            connection.execute(update(effects).where(*_held(key, attempt)).values(**failed))
            return _found(connection, key)

    @repeatable(Again.ALWAYS)
    def settle(self, key: str, settlement: Settlement) -> EffectRecord:
        """Take down what a person decided about an effect, and return it as it is then.

        One that is done stays so: its worker, that was taken for dead, has recorded it meanwhile.

        Raises:
            LedgerError: If there is no such effect.
        """
        states = {
            Settling.DONE: EffectState.DONE,
            Settling.RETRY: EffectState.FAILED,
            Settling.FAILED: EffectState.REFUSED,
        }
        with self._writing.begin() as connection:
            record = _found(connection, key, for_update=True)
            if record.state is EffectState.DONE:
                return record
            settled = json.dumps(asdict(replace(settlement, at=settlement.at or time.time())))
            state = states[Settling(settlement.verdict)]
            _change(connection, key, state=state, failures=0, settled=settled, lease_until=None)
            return _found(connection, key)

    @repeatable(Again.ALWAYS)
    def keep_answer(self, workflow_id: str, turn: int, answer: str) -> None:
        """Keep what a turn ended with, as JSON; keeping it again changes nothing."""
        kept = insert_into(self._engine, answers).values(
            workflow_id=workflow_id, turn=turn, answer=answer, recorded_at=time.time()
        )
        with self._writing.begin() as connection:
            connection.execute(kept.on_conflict_do_nothing())

    @repeatable(Again.ALWAYS)
    def answer(self, workflow_id: str, turn: int) -> str | None:
        """Return what a turn ended with, as JSON; None where it was not kept."""
        query = select(answers.c.answer).where(answers.c.workflow_id == workflow_id, answers.c.turn == turn)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar()

    @repeatable(Again.ALWAYS)
    def of_workflow(self, workflow_id: str) -> list[EffectRecord]:
        """Return the calls of a workflow and of what it continued as, in the order in which they were begun."""
        query = select(effects).where(effects.c.workflow_id == workflow_id).order_by(effects.c.begun_at)
        return read_effects(self._engine, query)

    @repeatable(Again.ALWAYS)
    def find(self, key: str) -> EffectRecord | None:
        """Return an effect by its key, or by the beginning of it where that is unambiguous; None where there is none.

        Raises:
            LedgerError: If several keys begin so.
        """
        query = select(effects).where(effects.c.effect_key.startswith(key, autoescape=True)).limit(2)
        found = read_effects(self._engine, query)
        if len(found) > 1:
            raise LedgerError(f"Several effects have a key that begins with {key!r}. Give more of it.")
        return found[0] if found else None

    @repeatable(Again.ALWAYS)
    def listed(
        self, *, workflow_id: str | None = None, states: Sequence[str] = (), limit: int = 100
    ) -> list[EffectRecord]:
        """Return effects of tools, those that were begun last first.

        Args:
            workflow_id: Of one run and of what it continued as, and of a plan's waves; None for all.
            states: Of `EffectState`; all where it is empty.
        """
        query = select(effects).where(effects.c.kind != "model").order_by(effects.c.begun_at.desc()).limit(limit)
        if workflow_id is not None:
            query = query.where(of_run(workflow_id))
        if states:
            query = query.where(effects.c.state.in_(states))
        return read_effects(self._engine, query)


def _standing(record: EffectRecord, claim: EffectClaim, *, now: float, is_gone: Callable[[str], bool]) -> Standing:
    match record.state:
        case EffectState.DONE:
            return Standing.DONE
        case EffectState.REFUSED:
            return Standing.REFUSED
        case EffectState.FAILED:
            return Standing.MAKE
        case EffectState.UNKNOWN:
            return Standing.UNKNOWN if claim.is_once else Standing.REMAKE
    if (record.lease_until or 0.0) > now and not is_gone(record.owner or ""):
        return Standing.HELD
    return Standing.UNKNOWN if claim.is_once else Standing.REMAKE


def _held(key: str, attempt: int) -> tuple[ColumnElement[bool], ...]:
    """Return the condition that an attempt, its number being its fence, is still the one that counts."""
    return (effects.c.effect_key == key, effects.c.attempts == attempt, effects.c.state == EffectState.BEGUN)


def _change(connection: Connection, key: str, **values: Any) -> None:
    connection.execute(update(effects).where(effects.c.effect_key == key).values(**values))


def _found(connection: Connection, key: str, *, for_update: bool = False) -> EffectRecord:
    query = select(effects).where(effects.c.effect_key == key)
    row = connection.execute(query.with_for_update() if for_update else query).mappings().one_or_none()
    if row is None:
        raise LedgerError(f"There is no effect {key!r} in the ledger.")
    return _record(row)


def read_effects(engine: Engine, query: Select[Any]) -> list[EffectRecord]:
    """Return the effects that a query of their whole rows finds."""
    with engine.connect() as connection:
        return [_record(row) for row in connection.execute(query).mappings()]


def _record(row: RowMapping) -> EffectRecord:
    values = dict(row)
    values["state"] = EffectState(values["state"])
    values["facts"] = json.loads(values["facts"] or "{}")
    values["settled"] = Settlement(**json.loads(values["settled"])) if values["settled"] else None
    return EffectRecord(**values)

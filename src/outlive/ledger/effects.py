"""Calls that were made on behalf of agents: which are completed, with what result, and how often they were tried."""

import hashlib
import json
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, Select, select, update
from sqlalchemy.dialects.sqlite import insert

from outlive.ledger.schema import answers, effects

LONGEST_ERROR = 4_000  # characters
UNFIT = "unfit_answers"  # among the facts of a call that is not done


class EffectState(StrEnum):
    """Where a call stands."""

    BEGUN = "begun"
    DONE = "done"
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True)
class EffectClaim:
    """A call that is about to be made.

    Attributes:
        effect_key: From `effect_key`.
        kind: ``model``, ``tool`` or ``other``.
        name: Of the tool, or of the activity.
    """

    effect_key: str
    workflow_id: str
    activity_id: str
    kind: str
    name: str


@dataclass(frozen=True, kw_only=True)
class EffectRecord:
    """A call as the ledger has it.

    Attributes:
        attempts: How often it was begun, deaths of a worker included.
        failures: How often it ended with an error.
        result: The activity's result as a serialised Temporal payload, once it is done.
        facts: What is known of it: model, tokens, price in billionths of a dollar.
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
    ended_at: float | None = None
    result: bytes | None = None
    error: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def unfit(self) -> int:
        """How often what came was no answer at all."""
        return int(self.facts.get(UNFIT, 0))


def effect_key(*parts: str) -> str:
    """Return the key under which the ledger remembers one effect.

    Args:
        parts: What makes the effect unique, from workflow id to argument digest. The run id and the attempt number are
            never among them: they change on a retry.

    Returns:
        40 hexadecimal characters, the same on every attempt and every replay.
    """
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:40]


class Effects:
    """Reads and writes of effects, to be run through `Ledger.call`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(outlive_writes=True)

    def claim(self, claim: EffectClaim) -> EffectRecord:
        """Note that a call is begun, and return what is known of it: one that is done is not to be made again."""
        begun = insert(effects).values(
            effect_key=claim.effect_key,
            workflow_id=claim.workflow_id,
            activity_id=claim.activity_id,
            kind=claim.kind,
            name=claim.name,
            state=EffectState.BEGUN,
            attempts=1,
            failures=0,
            begun_at=time.time(),
        )
        begun = begun.on_conflict_do_update(
            index_elements=[effects.c.effect_key],
            set_={"attempts": effects.c.attempts + 1, "state": EffectState.BEGUN},
            where=effects.c.state != EffectState.DONE,
        )
        with self._writing.begin() as connection:
            connection.execute(begun)
            return _found(connection, claim.effect_key)

    def finish(self, key: str, result: bytes, facts: dict[str, Any]) -> bytes:
        """Record a call as done, and return the result that counts: the first that was recorded."""
        done = {"state": EffectState.DONE, "result": result, "facts": json.dumps(facts), "ended_at": time.time()}
        with self._writing.begin() as connection:
            connection.execute(
                update(effects).where(effects.c.effect_key == key, effects.c.state != EffectState.DONE).values(**done)
            )
            return _found(connection, key).result or result

    def fail(self, key: str, error: str, *, is_unfit: bool = False) -> EffectRecord:
        """Record that an attempt ended with an error, and return what is known of the call now.

        Args:
            is_unfit: Whether something came that was no answer at all: such failures are counted apart too, since an
                outage before them must not use up their attempts.
        """
        failed = {
            "state": EffectState.FAILED,
            "failures": effects.c.failures + 1,
            "error": error[:LONGEST_ERROR],
            "ended_at": time.time(),
        }
        with self._writing.begin() as connection:
            if is_unfit:
                so_far = _found(connection, key)
                failed["facts"] = json.dumps({**so_far.facts, UNFIT: so_far.unfit + 1})
            connection.execute(
                update(effects).where(effects.c.effect_key == key, effects.c.state != EffectState.DONE).values(**failed)
            )
            return _found(connection, key)

    def keep_answer(self, workflow_id: str, turn: int, answer: str) -> None:
        """Keep what a turn ended with, as JSON; keeping it again changes nothing."""
        kept = insert(answers).values(workflow_id=workflow_id, turn=turn, answer=answer, recorded_at=time.time())
        with self._writing.begin() as connection:
            connection.execute(kept.on_conflict_do_nothing())

    def answer(self, workflow_id: str, turn: int) -> str | None:
        """Return what a turn ended with, as JSON; None where it was not kept."""
        query = select(answers.c.answer).where(answers.c.workflow_id == workflow_id, answers.c.turn == turn)
        with self._engine.connect() as connection:
            return connection.execute(query).scalar()

    def of_workflow(self, workflow_id: str) -> list[EffectRecord]:
        """Return the calls of a workflow and of what it continued as, in the order in which they were begun."""
        query = select(effects).where(effects.c.workflow_id == workflow_id).order_by(effects.c.begun_at)
        return _read(self._engine, query)


def _found(connection: Connection, key: str) -> EffectRecord:
    row = connection.execute(select(effects).where(effects.c.effect_key == key)).mappings().one()
    return _record(row)


def _read(engine: Engine, query: Select[Any]) -> list[EffectRecord]:
    with engine.connect() as connection:
        return [_record(row) for row in connection.execute(query).mappings()]


def _record(row: RowMapping) -> EffectRecord:
    values = dict(row)
    values["state"] = EffectState(values["state"])
    values["facts"] = json.loads(values["facts"] or "{}")
    return EffectRecord(**values)

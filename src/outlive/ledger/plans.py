"""Effects of whole runs: what a rehearsal would do, and what is to be taken back, the latest first."""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Engine, and_, func, or_, select

from outlive.ledger.dialects import insert_into
from outlive.ledger.effects import EffectClaim, EffectRecord, EffectState, read_effects
from outlive.ledger.families import of_run
from outlive.ledger.keys import effect_key
from outlive.ledger.outages import Again, repeatable
from outlive.ledger.schema import effects

UNDO_KIND = "undo"
_ENDED = func.coalesce(effects.c.ended_at, effects.c.begun_at)
_CONCERNED = (EffectState.DONE, EffectState.UNKNOWN, EffectState.BEGUN)
KEYS_PER_QUERY = 500  # SQLite takes some thousand values in one statement


def undo_key(key: str) -> str:
    """Return the key of the effect that takes another one back."""
    return effect_key(UNDO_KIND, key)


@dataclass(frozen=True, kw_only=True)
class DoneEffect:
    """An effect that a run has done, or may have done.

    Attributes:
        ended_at: Seconds since the epoch; of one that has not ended, when it was begun.
        is_undone: Whether it was taken back.
    """

    record: EffectRecord
    ended_at: float
    is_undone: bool


class PlanBook:
    """What plans have rehearsed and done, and what of it can be taken back, to be run through `Ledger.call`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(outlive_writes=True)

    @repeatable(Again.ALWAYS)
    def shadow(self, claim: EffectClaim, result: bytes) -> bytes:
        """Record an effect that is not made, and return the result that counts: the first that was recorded."""
        now = time.time()
        asked = insert_into(self._engine, effects).values(
            effect_key=claim.effect_key,
            workflow_id=claim.workflow_id,
            activity_id=claim.activity_id,
            kind=claim.kind,
            name=claim.name,
            state=EffectState.SHADOWED,
            policy=claim.policy,
            attempts=0,
            failures=0,
            arguments=claim.arguments,
            result=result,
            begun_at=now,
            ended_at=now,
        )
        with self._writing.begin() as connection:
            connection.execute(asked.on_conflict_do_nothing())
            found = select(effects.c.result).where(effects.c.effect_key == claim.effect_key)
            return connection.execute(found).scalar_one() or result

    @repeatable(Again.ALWAYS)
    def done(
        self,
        workflow_ids: Sequence[str],
        *,
        before: tuple[float, str] | None = None,
        limit: int = 100,
    ) -> list[DoneEffect]:
        """Return what runs have done to the outside world, or may have done, the latest first.

        Args:
            before: ``(ended_at, effect_key)`` of the last one that was returned before.
        """
        query = (
            select(effects)
            .where(effects.c.workflow_id.in_(workflow_ids), effects.c.kind.in_(("tool", "effect")))
            .where(effects.c.state.in_(_CONCERNED))
            .order_by(_ENDED.desc(), effects.c.effect_key.desc())
            .limit(limit)
        )
        if before is not None:
            ended_at, key = before
            query = query.where(or_(ended_at > _ENDED, and_(ended_at >= _ENDED, effects.c.effect_key < key)))
        records = read_effects(self._engine, query)
        undone = self._undone([record.effect_key for record in records])
        return [
            DoneEffect(
                record=record,
                ended_at=record.begun_at if record.ended_at is None else record.ended_at,
                is_undone=record.effect_key in undone,
            )
            for record in records
        ]

    @repeatable(Again.ALWAYS)
    def tree(self, workflow_id: str, *, limit: int = 1_000) -> list[EffectRecord]:
        """Return the effects of a run and of the waves that it ran, in the order in which they were begun."""
        is_effect = effects.c.kind.in_(("tool", "effect"))
        query = select(effects).where(of_run(workflow_id), is_effect).order_by(effects.c.begun_at).limit(limit)
        return read_effects(self._engine, query)

    @repeatable(Again.ALWAYS)
    def counts(self, workflow_id: str) -> dict[tuple[str, str], int]:
        """Return how many effects of a run and of its waves stand where, by name and state."""
        is_effect = effects.c.kind.in_(("tool", "effect"))
        counted = (
            select(effects.c.name, effects.c.state, func.count())
            .where(of_run(workflow_id), is_effect)
            .group_by(effects.c.name, effects.c.state)
            .order_by(effects.c.name, effects.c.state)
        )
        with self._engine.connect() as connection:
            return {(name, state): count for name, state, count in connection.execute(counted)}

    def _undone(self, keys: Sequence[str]) -> Collection[str]:
        by_undo = {undo_key(key): key for key in keys}
        found: set[str] = set()
        with self._engine.connect() as connection:
            wanted = list(by_undo)
            for first in range(0, len(wanted), KEYS_PER_QUERY):
                asked = effects.c.effect_key.in_(wanted[first : first + KEYS_PER_QUERY])
                query = select(effects.c.effect_key).where(asked, effects.c.state == EffectState.DONE)
                found.update(by_undo[key] for (key,) in connection.execute(query))
        return found

"""What waited, or waits, for a person: the list, and the record of who decided what. The workflow takes decisions."""

import json
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, RowMapping, Select, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from outlive.encryption.columns import keys_of
from outlive.ledger.schema import hand_offs, used_links

MOST_LISTED = 1_000


class HandOffState(StrEnum):
    """Where a hand-off stands.

    Attributes:
        OPEN: It waits.
        DECIDED: A person, or a rule of one, has decided.
        EXPIRED: Nobody decided in time.
        VOID: Its run ended first.
    """

    OPEN = "open"
    DECIDED = "decided"
    EXPIRED = "expired"
    VOID = "void"


@dataclass(frozen=True, kw_only=True)
class HandOffRecord:
    """A hand-off as the ledger has it. Moments are seconds since the epoch.

    Attributes:
        about: What is needed to decide, as a serialised Temporal payload.
        claimed_by: Who has claimed it last; claims end by themselves.
        value: What went with the choice, as a serialised Temporal payload.
        note: A word of whoever decided.
    """

    workflow_id: str
    hand_off_id: str
    agent: str
    kind: str
    subject: str
    reason: str
    choices: list[str]
    state: HandOffState
    opened_at: float
    about: bytes | None = field(default=None, repr=False)
    reminders: int = 0
    reminded_at: float | None = None
    escalated_to: str | None = None
    escalated_at: float | None = None
    claimed_by: str | None = None
    claimed_at: float | None = None
    choice: str | None = None
    value: bytes | None = field(default=None, repr=False)
    decided_by: str | None = None
    decided_at: float | None = None
    decision_id: str | None = None
    note: str | None = None


class HandOffBook:
    """Reads and writes of hand-offs, to be run through `Ledger.call`. Each write may be made again."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(outlive_writes=True)

    def open(self, record: HandOffRecord) -> None:
        """Write down that a hand-off waits; one that is known stays as it is."""
        values = vars(record) | {"choices": json.dumps(record.choices)}
        if keys_of(self._engine.dialect) is not None:  # a column of 200 characters cannot hold it encrypted
            values |= {"subject": "", "sealed_subject": record.subject}
        try:
            with self._writing.begin() as connection:
                if connection.execute(self._one(record.workflow_id, record.hand_off_id)).first() is None:
                    connection.execute(insert(hand_offs).values(values))
        except IntegrityError:  # written at this moment by another attempt
            return

    def remind(self, workflow_id: str, hand_off_id: str, *, at: float) -> None:
        """Write down that was reminded of it. Reminded of at the same moment again is the same reminder."""
        self._change(
            workflow_id,
            hand_off_id,
            hand_offs.c.reminded_at.is_(None) | (hand_offs.c.reminded_at < at),
            reminders=hand_offs.c.reminders + 1,
            reminded_at=at,
        )

    def escalate(self, workflow_id: str, hand_off_id: str, *, to: str, at: float) -> None:
        """Write down to whom it was passed on."""
        self._change(workflow_id, hand_off_id, escalated_to=to, escalated_at=at)

    def claim(self, workflow_id: str, hand_off_id: str, *, by: str | None, at: float) -> None:
        """Write down who has claimed it; None for nobody any more."""
        self._change(workflow_id, hand_off_id, claimed_by=by, claimed_at=at)

    def close(self, record: HandOffRecord) -> None:
        """Write down how it ended: state, choice, value, who, when, id and note of the record; the first end counts.

        An end that only the ledger supposed (void) gives way to what the workflow says.
        """
        is_open = hand_offs.c.state.in_([HandOffState.OPEN, HandOffState.VOID])
        names = ("state", "choice", "value", "decided_by", "decided_at", "decision_id", "note")
        ending = {name: getattr(record, name) for name in names}
        self._change(record.workflow_id, record.hand_off_id, is_open, **ending)

    def void(self, workflow_id: str, hand_off_id: str) -> None:
        """Write down that its run does not wait for it any more, though nobody decided."""
        is_open = hand_offs.c.state == HandOffState.OPEN
        self._change(workflow_id, hand_off_id, is_open, state=HandOffState.VOID, decided_at=time.time())

    def count_open(self) -> int:
        """Return how many wait for a person."""
        waiting = select(func.count()).select_from(hand_offs).where(hand_offs.c.state == HandOffState.OPEN)
        with self._engine.begin() as connection:
            return connection.execute(waiting).scalar_one()

    def find(self, hand_off_id: str) -> list[HandOffRecord]:
        """Return the hand-offs of an id: none or one, as a rule."""
        return self._read(select(hand_offs).where(hand_offs.c.hand_off_id == hand_off_id).limit(10))

    def listed(
        self,
        *,
        state: str | None = HandOffState.OPEN,
        agent: str | None = None,
        kind: str | None = None,
        limit: int = MOST_LISTED,
    ) -> list[HandOffRecord]:
        """Return hand-offs, those that have waited longest first.

        Args:
            state: None for all.
        """
        query = select(hand_offs).order_by(hand_offs.c.opened_at).limit(limit)
        for column, wanted in ((hand_offs.c.state, state), (hand_offs.c.agent, agent), (hand_offs.c.kind, kind)):
            if wanted is not None:
                query = query.where(column == wanted)
        return self._read(query)

    def use_link(self, link_id: str) -> bool:
        """Take a one-time link; False where it was taken before."""
        try:
            with self._writing.begin() as connection:
                connection.execute(insert(used_links).values(link_id=link_id, used_at=time.time()))
        except IntegrityError:
            return False
        return True

    def _change(self, workflow_id: str, hand_off_id: str, *conditions: Any, **values: Any) -> None:
        chosen = update(hand_offs).where(
            hand_offs.c.workflow_id == workflow_id, hand_offs.c.hand_off_id == hand_off_id, *conditions
        )
        with self._writing.begin() as connection:
            connection.execute(chosen.values(**values))

    def _one(self, workflow_id: str, hand_off_id: str) -> Select[Any]:
        return select(hand_offs.c.hand_off_id).where(
            hand_offs.c.workflow_id == workflow_id, hand_offs.c.hand_off_id == hand_off_id
        )

    def _read(self, query: Select[Any]) -> list[HandOffRecord]:
        with self._engine.connect() as connection:
            return [_record(row) for row in connection.execute(query).mappings()]


def _record(row: RowMapping) -> HandOffRecord:
    values = dict(row)
    sealed = values.pop("sealed_subject")
    values["subject"] = values["subject"] if sealed is None else sealed
    values["choices"] = json.loads(values["choices"])
    values["state"] = HandOffState(values["state"])
    return HandOffRecord(**values)

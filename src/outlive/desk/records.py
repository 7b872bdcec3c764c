"""A hand-off as the desk shows it."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.client import Client

from outlive.ledger.hand_offs import HandOffRecord
from outlive.names import split_agent_workflow_id
from outlive.workflows.policies import CLAIM_LASTS


@dataclass(frozen=True, kw_only=True)
class HandOff:
    """What waits, or waited, for a person.

    Attributes:
        id: What `outlive answer` names.
        kind: An `outlive.contracts.agents.HandOffKind`.
        subject: What it is about: ``model``, or the name of a tool.
        reason: One sentence for a person.
        choices: What can be decided, the first being the usual one.
        state: ``open``, ``decided``, ``expired`` or ``void`` (its run ended first).
        claimed_by: Who has taken it on; None also once that is too long ago.
        about: What is needed to decide, JSON: of a tool call ``tool``, ``args`` and ``schema``. Only where it was
            asked for by its id.
        value: What went with the choice.
        decided_by: Who decided: a name, ``rule 3 of ada`` or ``expiry``.
    """

    id: str
    workflow_id: str
    agent: str
    kind: str
    subject: str
    reason: str
    choices: Sequence[str]
    state: str
    opened_at: datetime
    reminders: int = 0
    escalated_to: str | None = None
    claimed_by: str | None = None
    choice: str | None = None
    decided_by: str | None = None
    decided_at: datetime | None = None
    note: str | None = None
    about: dict[str, Any] = field(default_factory=dict)
    value: Any = None

    @property
    def run(self) -> str:
        """The run as commands name it: ``AGENT/ID``."""
        parts = split_agent_workflow_id(self.workflow_id)
        return "/".join(parts) if parts else self.workflow_id


def shown(record: HandOffRecord) -> HandOff:
    """Return a hand-off without what lies in payloads."""
    opened_at, decided_at = moment(record.opened_at), moment(record.decided_at)
    assert opened_at is not None
    return HandOff(
        id=record.hand_off_id,
        workflow_id=record.workflow_id,
        agent=record.agent,
        kind=record.kind,
        subject=record.subject,
        reason=record.reason,
        choices=record.choices,
        state=record.state,
        opened_at=opened_at,
        reminders=record.reminders,
        escalated_to=record.escalated_to,
        claimed_by=_claimant(record),
        choice=record.choice,
        decided_by=record.decided_by,
        decided_at=decided_at,
        note=record.note or None,
    )


def moment(seconds: float | None) -> datetime | None:
    """Return a moment of the ledger."""
    return None if seconds is None else datetime.fromtimestamp(seconds, tz=UTC)


async def unpacked(temporal: Client, serialized: bytes | None) -> Any:
    """Return the value of a payload that the ledger keeps."""
    if serialized is None:
        return None
    (value,) = await temporal.data_converter.decode([Payload.FromString(serialized)])
    return value


async def packed(temporal: Client, value: Any) -> bytes | None:
    """Return a value as the ledger keeps it."""
    if value is None:
        return None
    (payload,) = await temporal.data_converter.encode([value])
    return payload.SerializeToString()


def _claimant(record: HandOffRecord) -> str | None:
    claimed_at = moment(record.claimed_at)
    is_fresh = claimed_at is not None and datetime.now(tz=UTC) - claimed_at < CLAIM_LASTS
    return record.claimed_by if is_fresh else None

"""What workflows that wait for a person, their activities and the desk say to each other."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from outlive.contracts.agents import Decision, Question


class Occasion(StrEnum):
    """What has happened to a hand-off.

    Attributes:
        OPENED: It waits for a person.
        REMINDER: Nobody has decided for as long as its policy says.
        ESCALATED: It was passed on to the person whom its policy names.
        CLAIMED: Somebody has taken it on, or let go of it.
        DECIDED: A person, or a rule of one, has decided.
        EXPIRED: Nobody has decided in time; the choice of its policy was taken.
    """

    OPENED = "opened"
    REMINDER = "reminder"
    ESCALATED = "escalated"
    CLAIMED = "claimed"
    DECIDED = "decided"
    EXPIRED = "expired"


@dataclass(frozen=True, kw_only=True)
class HandOffPolicy:
    """How long a hand-off waits, and what happens meanwhile. Without any value it waits for as long as it takes.

    The policy of a hand-off is that of the code which opened it: a later change is for those opened later.

    Attributes:
        remind_after: Tell of it again each time so much has passed.
        escalate_after: Pass it on to ``escalate_to`` after so much.
        escalate_to: A name: whose it then is.
        expires_after: Take ``on_expiry`` after so much.
        on_expiry: The choice taken then. Empty, or where it is none of the hand-off's choices: the first of its
            choices among ``deny``, ``tell``, ``finish`` and ``stop``; a hand-off that has none of them never expires.
    """

    remind_after: timedelta | None = None
    escalate_after: timedelta | None = None
    escalate_to: str = ""
    expires_after: timedelta | None = None
    on_expiry: str = ""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """Taking a hand-off on, or letting go of it.

    Attributes:
        by: Who, as they call themselves.
        is_release: Whether it is let go of.
        is_forced: Whether somebody else's claim is overruled.
    """

    question_id: str
    by: str
    is_release: bool = False
    is_forced: bool = False


@dataclass(frozen=True, kw_only=True)
class HandOffReport:
    """Something that has happened to a hand-off, to be written down and told.

    Attributes:
        occasion: An `Occasion`.
        at: Seconds since the epoch, by the workflow's clock.
        by: Who; of an escalation, to whom.
        decision: Of a decision or an expiry.
        agent: Whose run it is; empty for other workflows.
        turn: Of the run.
    """

    occasion: str
    question: Question
    at: float
    by: str = ""
    decision: Decision | None = None
    agent: str = ""
    turn: int = 0
    policy: HandOffPolicy | None = None


@dataclass(frozen=True, kw_only=True)
class HandOffOpening:
    """What is found as a hand-off is written down.

    Attributes:
        decision: Of a rule that covers it.
        policy: By which it waits, as history keeps it.
        is_told: Whether the app wants to hear of its hand-offs.
    """

    decision: Decision | None = None
    policy: HandOffPolicy | None = None
    is_told: bool = False


@dataclass(frozen=True, kw_only=True)
class HandOffNews:
    """What a function declared with ``@app.on_hand_off`` is called with.

    Attributes:
        occasion: An `Occasion`: ``opened``, ``reminder``, ``escalated``, ``expired`` or ``decided``.
        hand_off_id: What ``outlive answer`` names.
        agent: Whose run it is; empty for other workflows.
        kind: An `outlive.contracts.agents.HandOffKind`.
        about: What is needed to decide.
        to: Whom an escalation names.
        choice: What was decided, where it was.
        by: Who decided.
    """

    occasion: str
    hand_off_id: str
    workflow_id: str
    agent: str
    kind: str
    reason: str
    subject: str
    choices: list[str]
    about: dict[str, Any]
    to: str = ""
    choice: str = ""
    by: str = ""
    note: str = ""

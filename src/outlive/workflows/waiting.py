"""One hand-off that waits: its claim, and what happens when while nobody decides."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from temporalio import workflow

from outlive.contracts.agents import Choice, Decision, Question
from outlive.contracts.hand_offs import HandOffPolicy, Occasion
from outlive.workflows import policies

Check = Callable[[Decision], str | None]
"""Returns what is wrong with a decision, one sentence for whoever sends it."""

Moot = Callable[[], Decision | None]
"""Returns a decision once what was asked has answered itself; deterministic, and without effects."""

EXPIRY = "expiry"
"""Who has decided where nobody did in time."""


MILD = (Choice.DENY, Choice.TELL, Choice.FINISH, Choice.STOP)
"""Choices that change nothing outside, in the order in which an expiry prefers them."""


@dataclass(kw_only=True)
class Waiting:
    """One hand-off that waits."""

    question: Question
    check: Check | None
    moot: Moot | None = None
    since: float
    policy: HandOffPolicy
    is_told: bool = False
    claimed_by: str = ""
    claimed_at: float = 0.0
    decision: Decision | None = None

    def claimant(self, now: float) -> str:
        """Return who has claimed it; empty where nobody has, or too long ago."""
        is_fresh = now - self.claimed_at < policies.CLAIM_LASTS.total_seconds()
        return self.claimed_by if is_fresh else ""


def timetable(waiting: Waiting) -> Iterable[tuple[Occasion, float | None]]:
    """Yield what happens when to a hand-off that nobody decides, in its order; at last, waiting without an end."""
    policy, since = waiting.policy, waiting.since
    ends = policy.expires_after if on_expiry(waiting) is not None else None
    end = None if ends is None else since + ends.total_seconds()
    escalation = None if policy.escalate_after is None else since + policy.escalate_after.total_seconds()
    interval = None if policy.remind_after is None else policy.remind_after.total_seconds()
    reminder = None if interval is None else since + interval
    while True:
        due = [
            (at, occasion)
            for at, occasion in (
                (end, Occasion.EXPIRED),
                (escalation, Occasion.ESCALATED),
                (reminder, Occasion.REMINDER),
            )
            if at is not None
        ]
        if not due:
            yield Occasion.DECIDED, None
            return
        at, occasion = min(due)
        yield occasion, at
        if occasion is Occasion.ESCALATED:
            escalation = None
        elif interval is not None:
            reminder = None if _is_history_long() else max(at, workflow.time()) + interval


def on_expiry(waiting: Waiting) -> str | None:
    """Return the choice that is taken in the end; None where there is none that could be."""
    choices = waiting.question.choices
    return next((choice for choice in (waiting.policy.on_expiry, *MILD) if choice in choices), None)


def _is_history_long() -> bool:
    return workflow.info().get_current_history_length() > policies.MOST_EVENTS_FOR_REMINDERS

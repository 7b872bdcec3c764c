"""The call that is being made: what a tool, or a model, may know of it and tell about it."""

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from outlive.contracts.budgets import BudgetScope
from outlive.contracts.events import EventKind
from outlive.errors import UsageError
from outlive.ledger.spending import Spent


@dataclass(kw_only=True)
class CurrentCall:
    """One attempt at one call of a model or a tool, in the activity that makes it.

    Attributes:
        key: The same on every attempt: what the ledger, and an ``Idempotency-Key``, know the call by.
        attempt: Counted from 1, deaths of a worker included.
        tell: Writes an event into the stream of the run; never waits.
        is_again: Whether an earlier attempt was begun, and nobody knows what came of it.
        facts: What is known of the call when it has ended, for the ledger: model, tokens, price.
        requests: How many requests that change something it has made so far over `http_client`.
        workflow_id: The run that it is made for.
        payers: Budgets that pay for it, besides the app's.
        lifted_by: Who let it be made though a budget does not pay for it; empty where nobody has.
        spent: What it came to, to be recorded with its result.
    """

    key: str
    attempt: int
    tell: Callable[[EventKind, dict[str, Any]], None]
    is_again: bool = False
    facts: dict[str, Any] = field(default_factory=dict)
    requests: int = 0
    workflow_id: str = ""
    payers: Sequence[BudgetScope] = ()
    lifted_by: str = ""
    spent: Spent | None = None


current_call: ContextVar[CurrentCall | None] = ContextVar("outlive_current_call", default=None)


def idempotency_key() -> str:
    """Return the key of the tool call that is being made: the same on every attempt, for the other side to see.

    Raises:
        UsageError: Outside of a tool call of a durable run.
    """
    call = current_call.get()
    if call is None:
        raise UsageError("There is no idempotency key here: no tool call of a durable run is being made.")
    return call.key


def progress(text: str, **data: Any) -> None:
    """Tell the readers of the run how a tool call gets on. Never waits; outside of a durable run it does nothing.

    Args:
        text: One sentence for a person.
        data: Further values, JSON.
    """
    call = current_call.get()
    if call is not None:
        call.tell(EventKind.TOOL_PROGRESS, {"text": text, **data})

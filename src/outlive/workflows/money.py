"""What a run knows of its money: who pays, what was decided, and which changes of budgets it has heard of."""

from typing import Any

from temporalio.exceptions import ActivityError, ApplicationError

from outlive.contracts.agents import AgentInput, Choice, Decision
from outlive.contracts.budgets import Budget, BudgetNews, BudgetRaise, BudgetScope
from outlive.errors import BudgetError
from outlive.workflows import calls

LAST_CALLS = 3
"""How many model calls may be made after it was decided that a turn comes to an end: one is the rule, and an output
that does not fit its type is asked for again."""


class RunMoney:
    """The money of one run of the agent workflow, for the hooks of its agent. Survives continue-as-new."""

    def __init__(self, run: AgentInput) -> None:
        self._budgets = list(run.budgets)
        self._last_call_by = run.last_call_by
        self._last_calls = run.last_calls
        self._heard = dict(run.heard)
        self._chosen: str | None = None

    def carried(self) -> dict[str, Any]:
        """Return the fields of `AgentInput` that a continued run goes on with."""
        carried = {"last_call_by": self._last_call_by, "last_calls": self._last_calls, "heard": self._heard}
        return carried if self._chosen is None else {**carried, "model": self._chosen}

    def payers(self) -> list[BudgetScope]:
        """Return the budgets that pay for the calls of the run, besides the app's."""
        return self._budgets

    def begin_turn(self) -> None:
        """Forget that an earlier turn was to come to an end."""
        self._last_call_by, self._last_calls = "", 0

    def come_to_an_end(self, by: str) -> None:
        """Let the turn end with what there is, whatever its budgets say."""
        self._last_call_by, self._last_calls = by, 0

    def last_call_by(self) -> str:
        """Return who has decided that the turn comes to an end; empty where nobody has, or it took too many calls."""
        return self._last_call_by if self._last_calls < LAST_CALLS else ""

    def count_last_call(self) -> None:
        """Count one model call that is made on that decision."""
        self._last_calls += 1

    def use_model(self, name: str) -> None:
        """Let the rest of the run use another model, from where it continues as new."""
        self._chosen = name

    def hear(self, news: BudgetNews) -> None:
        """Note that a budget was changed."""
        self._heard[news.key] = max(news.version, self._heard.get(news.key, -1))

    def version(self, key: str) -> int:
        """Return the latest version of a budget that the run has heard of; -1 where it has heard of none."""
        return self._heard.get(key, -1)


def fault_in(decision: Decision) -> str | None:
    """Return what is wrong with the value that a decision about a budget comes with; None where nothing is."""
    if decision.choice == Choice.RAISE:
        try:
            Budget.parse(str(decision.value or ""))
        except BudgetError as error:
            return str(error)
    if decision.choice == Choice.MODEL and (not isinstance(decision.value, str) or ":" not in decision.value):
        return f"{decision.value!r} is no model. Name one such as 'openai:gpt-5-nano'."
    return None


async def raise_budget(about: dict[str, Any], decision: Decision) -> str | None:
    """Raise a budget in the ledger, as a person has decided; return why that cannot be done.

    Args:
        about: What they were told: ``budget`` is its key, ``caps`` what it was capped at, where that is known.
    """
    amounts = Budget.parse(str(decision.value))
    wanted = {"usd_nanos": amounts.usd_nanos, "tokens": amounts.tokens, "calls": amounts.calls}
    caps = about.get("caps", {})
    if any(cap is not None and caps.get(name) is not None and cap <= caps[name] for name, cap in wanted.items()):
        return f"{decision.value!r} raises nothing."
    try:
        await calls.raise_budget(BudgetRaise(key=str(about["budget"]), amounts=str(decision.value), by=decision.by))
    except ActivityError as error:
        return error.cause.message if isinstance(error.cause, ApplicationError) else str(error.cause)
    return None

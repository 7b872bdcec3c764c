"""The local activity with which a run writes into the ledger that a person raised a budget."""

from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from outlive.contracts.budgets import Budget, BudgetRaise
from outlive.errors import BudgetError
from outlive.ledger.ledger import Ledger
from outlive.names import RAISE_BUDGET


class BudgetBooks:
    """Writes decisions about budgets into the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @activity.defn(name=RAISE_BUDGET)
    async def raise_budget(self, raised: BudgetRaise) -> None:
        """Raise a budget; raised again by the same decision, after a crash, it stays as it is.

        Raises:
            ApplicationError: If the amounts cannot be used.
        """
        try:
            budget = Budget.parse(raised.amounts)
            known = await self._ledger.call(self._ledger.budgets.get, raised.key)
            caps = {"usd_nanos": budget.usd_nanos, "tokens": budget.tokens, "calls": budget.calls}
            if all(known.caps[name] == cap for name, cap in caps.items() if cap is not None):
                return
            await self._ledger.call(self._ledger.budgets.raise_caps, raised.key, budget, by=raised.by or "somebody")
        except BudgetError as error:
            raise ApplicationError(
                str(error), type=BudgetError.__name__, non_retryable=True, category=ApplicationErrorCategory.BENIGN
            ) from error

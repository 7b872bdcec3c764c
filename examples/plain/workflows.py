"""A workflow written by hand: nothing of Outlive is in it."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow

with workflow.unsafe.imports_passed_through():
    from activities import Letter, write_letter

LETTER_TIMEOUT = timedelta(seconds=10)  # a letter takes milliseconds


@dataclass(frozen=True, kw_only=True)
class Dunning:
    """An unpaid order, and how long to wait before each reminder."""

    order: str
    waits: list[timedelta]


@workflow.defn
class DunningWorkflow:
    """Reminds a customer until the order is paid, or the patience is used up."""

    def __init__(self) -> None:
        self._is_paid = False

    @workflow.signal
    def paid(self) -> None:
        """The money came."""
        self._is_paid = True

    @workflow.run
    async def run(self, dunning: Dunning) -> str:
        """Return how it ended."""
        for number, wait in enumerate(dunning.waits, start=1):
            try:
                await workflow.wait_condition(lambda: self._is_paid, timeout=wait)
            except TimeoutError:
                letter = Letter(order=dunning.order, name=f"reminder-{number}")
                await workflow.execute_activity(
                    write_letter, letter, start_to_close_timeout=LETTER_TIMEOUT, summary=f"reminder {number}"
                )
            else:
                return "paid"
        return "given up"

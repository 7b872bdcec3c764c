"""Telling workflows that a budget was changed which they wait for, whoever changed it: everything goes on by itself."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from outlive.contracts.budgets import BudgetNews
from outlive.errors import LedgerError
from outlive.ledger.budgets import BudgetWait
from outlive.ledger.ledger import Ledger
from outlive.names import BUDGET_SIGNAL

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0


@contextlib.asynccontextmanager
async def telling_of_changed_budgets(client: Client, ledger: Ledger, *, longest_call: float) -> AsyncIterator[None]:
    """Look for changed budgets, and for calls that nobody will tell of, for as long as the block runs.

    One look reads a few rows, most often none.

    Args:
        longest_call: Seconds after which a model call can no longer be in flight.
    """
    looking = asyncio.create_task(_look(client, ledger, longest_call))
    try:
        yield
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)


async def _look(client: Client, ledger: Ledger, longest_call: float) -> None:
    while True:
        with contextlib.suppress(LedgerError):  # a ledger in trouble is told of where it is needed
            for wait in await ledger.call(ledger.budgets.waits_to_tell):
                await _tell(client, ledger, wait)
            await ledger.call(ledger.budgets.doubt_stale, longest_call)
        await asyncio.sleep(LOOK_SECONDS)


async def _tell(client: Client, ledger: Ledger, wait: BudgetWait) -> None:
    news = BudgetNews(key=wait.key, version=wait.version)
    try:
        await client.get_workflow_handle(wait.workflow_id).signal(BUDGET_SIGNAL, news)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:  # it is told again in a while
            logger.warning("A workflow could not be told of its budget", extra={"workflow_id": wait.workflow_id})
            return
    await ledger.call(ledger.budgets.told, wait)

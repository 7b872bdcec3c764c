"""What pays for the model calls of a batch."""

import asyncio
import json
import time
import uuid

from outlive.contracts.batches import BatchSpec
from outlive.contracts.budgets import BudgetScope, tenant_key
from outlive.errors import BudgetExhausted, LedgerError
from outlive.ledger.reserving import Hold, Need
from outlive.ledger.spending import Spent
from outlive.ledger.window import WindowLedger
from outlive.models.answers import Answer, Request
from outlive.models.paying import Paid, PriceOf
from outlive.money.purse import Purse
from outlive.names import batch_workflow_id

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
LOOK_SECONDS = 1.0  # a budget that is set while a batch runs without one counts after this
OVERHEAD_TOKENS = 600  # what providers add of their own: the words that introduce a schema, the marks between messages
LEAST_OUTPUT_TOKENS = 1_024  # with less an answer is likely to be cut short, and its money lost


class BatchPayer:
    """Pays for the calls of one batch in one worker process."""

    def __init__(self, purse: Purse, ledger: WindowLedger, spec: BatchSpec, *, output_tokens: int) -> None:
        """Take what pays.

        Args:
            purse: Of the process.
            ledger: Of the batch: what calls came to is written with its outcomes.
            spec: The batch.
            output_tokens: The most that a call may give where there is enough.
        """
        self._purse = purse
        self._ledger = ledger
        self._spec = spec
        self._output_tokens = output_tokens
        self._workflow_id = batch_workflow_id(spec.batch_id)
        tenant = [BudgetScope(key=tenant_key(spec.tenant))] if spec.tenant else []
        self._payers = purse.payers([BudgetScope(key=self._workflow_id), *tenant])
        self._is_limited = False
        self._looked_at = -LOOK_SECONDS
        self._looking = asyncio.Lock()

    async def reserve(self, request: Request, price: PriceOf) -> Paid:
        """Set aside what an attempt may come to at most; nothing where there is no budget.

        A ledger that cannot be written is waited for: no document fails for it.
        """
        pause = FIRST_PAUSE_SECONDS
        while True:
            try:
                return await self._reserve(request, price)
            except LedgerError:
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _reserve(self, request: Request, price: PriceOf) -> Paid:
        if not await self._has_budget():
            return Paid()
        hold = await self._purse.reserve(self._need(request, price))
        limited = hold.output_tokens if hold.limits_output else None
        return Paid(output_tokens=limited, receipt=(hold, request, price))

    async def settle(self, paid: Paid, answer: Answer) -> None:
        """Count what an attempt came to, in the next commit of the batch's outcomes."""
        hold: Hold | None = paid.receipt[0] if paid.receipt else None
        spent = Spent(
            subject=self._workflow_id,
            model=answer.model,
            input_tokens=answer.input_tokens,
            output_tokens=answer.output_tokens,
            usd_nanos=answer.usd_nanos,
            tenant=self._spec.tenant,
            hold_id=hold.hold_id if hold and hold.budgets else "",
        )
        counted = self._ledger.count_spent(spent)
        if hold is not None and hold.is_lowered and answer.finish_reason == "length":
            await counted
            await self._ask_for_a_whole_answer(paid)

    async def give_back(self, paid: Paid, error: BaseException) -> None:
        """Release what was set aside, or count it where the attempt may have been billed."""
        from outlive.models.billing import was_not_billed

        if paid.receipt:
            hold: Hold = paid.receipt[0]
            await (self._purse.release(hold) if was_not_billed(error) else self._purse.doubt(hold))

    async def _has_budget(self) -> bool:
        if time.monotonic() - self._looked_at >= LOOK_SECONDS:
            async with self._looking:  # nobody is to go on with what was true before
                if time.monotonic() - self._looked_at >= LOOK_SECONDS:
                    self._is_limited = await self._purse.is_limited(self._payers)
                    self._looked_at = time.monotonic()
        return self._is_limited

    def _need(self, request: Request, price: PriceOf, *, is_whole: bool = False) -> Need:
        tokens = most_input_tokens(request)
        ceiling = price(tokens)
        least = self._output_tokens if is_whole else min(self._output_tokens, LEAST_OUTPUT_TOKENS)
        return Need(
            hold_id=uuid.uuid4().hex,
            effect_key=f"batch/{request.idempotency_key or uuid.uuid4().hex}",
            workflow_id=self._workflow_id,
            scopes=self._payers,
            owner=self._purse.owner,
            input_tokens=tokens,
            output_tokens=self._output_tokens,
            least_output_tokens=least,
            base_usd_nanos=None if ceiling is None else ceiling.base,
            output_usd_nanos=0 if ceiling is None else ceiling.output,
        )

    async def _ask_for_a_whole_answer(self, paid: Paid) -> None:
        """Let the batch pause where what was left did not do for an answer, unless there is enough by now.

        Raises:
            BudgetExhausted: Always: the document is worked on again.
        """
        hold, request, price = paid.receipt
        await self._purse.release(await self._purse.reserve(self._need(request, price, is_whole=True)))
        raise BudgetExhausted("What was left did not do for an answer.", budget=hold.budgets[0], version=-1, about={})


def most_input_tokens(request: Request) -> int:
    """Return an upper bound of the input of a call: a token has at least one byte."""
    texts = [request.text, request.instruction or ""]
    texts += [part for turn in request.turns for part in (turn.answer, turn.complaint)]
    schema = 0 if request.output.schema is None else len(json.dumps(request.output.schema))
    return sum(len(text.encode("utf-8", "replace")) for text in texts) + schema + OVERHEAD_TOKENS

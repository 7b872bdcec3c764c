"""The one door to budgets in a worker process: reserve before a call, settle after it, release where it failed."""

import asyncio
import contextlib
import os
import platform
from collections.abc import Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any
from weakref import WeakValueDictionary

from outlive.contracts.budgets import NANOS_PER_USD, BudgetScope, app_key
from outlive.errors import BudgetExhausted, LedgerError
from outlive.ledger.ledger import Ledger
from outlive.ledger.reserving import AMOUNTS, Busy, Hold, Need, Refused, Verdict, taken
from outlive.ledger.spending import Spent
from outlive.money.gathering import Gathering

LOOK_SECONDS = 0.1
"""How often a call looks whether those in flight have left enough for it; in a process one does for all of its kind."""


class Purse:
    """What pays for the model calls of one worker process."""

    def __init__(self, ledger: Ledger, *, app: str, longest_call: float) -> None:
        """Take the ledger that all workers share.

        Args:
            app: Name of the app, whose budget pays for every call.
            longest_call: Seconds after which a call can no longer be in flight.
        """
        self.ledger = ledger
        self.owner = f"{platform.node()}:{os.getpid()}"
        self._app = BudgetScope(key=app_key(app))
        self._longest_call = longest_call
        self._reserving: Gathering[Need, Verdict] = Gathering(self._reserve)
        self._settling: Gathering[Spent, None] = Gathering(self._settle)
        self._lines: WeakValueDictionary[tuple[str, ...], asyncio.Lock] = WeakValueDictionary()

    def payers(self, scopes: Sequence[BudgetScope]) -> list[BudgetScope]:
        """Return the budgets that pay for a call: those that are named, and the app's."""
        return [*scopes, self._app]

    async def is_limited(self, payers: Sequence[BudgetScope]) -> bool:
        """Whether there is a budget among those that pay: a call need not be reckoned up where there is none."""
        if any(scope.has_caps for scope in payers):
            return True
        return await self.ledger.call(self.ledger.budgets.concerned, [scope.key for scope in payers])

    async def reserve(self, need: Need) -> Hold:
        """Set aside what a call may come to at most; waits where calls in flight may leave enough for it.

        Raises:
            BudgetExhausted: If a budget does not pay for it.
            LedgerError: If the ledger cannot be written.
        """
        verdict = await self._verdict(need)
        if isinstance(verdict, Busy):
            async with self._lines.setdefault(tuple(need.keys), asyncio.Lock()):
                while isinstance(verdict := await self._verdict(need), Busy):  # noqa: ASYNC110 - of other processes too
                    await asyncio.sleep(LOOK_SECONDS)
        if isinstance(verdict, Refused):
            raise exhausted(need, verdict)
        return verdict

    async def settle(self, spent: Spent) -> None:
        """Put what a call came to in the place of what was set aside for it, and count it into the totals.

        Raises:
            LedgerError: If the ledger cannot be written; what was set aside stays so.
        """
        await self._settling.do(spent)

    async def release(self, hold: Hold) -> None:
        """Take back what was set aside: the call was certainly not billed."""
        await self._end(hold, self.ledger.budgets.release)

    async def doubt(self, hold: Hold) -> None:
        """Count what was set aside as spent: the call may have been billed, and its answer will never be known."""
        await self._end(hold, self.ledger.budgets.doubt)

    async def _end(self, hold: Hold, how: Any) -> None:
        if hold.budgets:
            with contextlib.suppress(LedgerError):  # it stays set aside, until the call's next attempt counts it
                await asyncio.shield(self.ledger.call(how, hold))

    async def _verdict(self, need: Need) -> Verdict:
        asking = asyncio.ensure_future(self._reserving.do(need))
        try:
            return await asyncio.shield(asking)
        except asyncio.CancelledError:
            asking.add_done_callback(partial(_give_back, self))
            raise

    async def _reserve(self, needs: list[Need]) -> list[Verdict]:
        return await self.ledger.call(self.ledger.budgets.reserve, needs, longest_call=self._longest_call)

    async def _settle(self, calls: list[Spent]) -> list[None]:
        await self.ledger.call(self.ledger.spending.record, calls)
        return [None] * len(calls)


_giving_back: set[asyncio.Task[None]] = set()


def _give_back(purse: Purse, asked: "asyncio.Future[Verdict]") -> None:
    """Release what was set aside for a call that nobody makes any more."""
    if not asked.cancelled() and asked.exception() is None and isinstance(hold := asked.result(), Hold):
        task = asyncio.get_running_loop().create_task(purse.release(hold))
        _giving_back.add(task)
        task.add_done_callback(_giving_back.discard)


def exhausted(need: Need, refused: Refused) -> BudgetExhausted:
    """Return what whoever wanted to make a call is told."""
    row = refused.budget
    key, needed = row["key"], need.amounts(need.least_output_tokens)
    about: dict[str, Any] = {
        "budget": key,
        "lacks": refused.lacks,
        "version": row["version"],
        "caps": {name: row[name] for name in AMOUNTS},
        "spent": {name: row[f"spent_{name}"] for name in AMOUNTS},
        "doubtful": {name: row[f"doubtful_{name}"] for name in AMOUNTS},
        "held": {name: row[f"held_{name}"] for name in AMOUNTS},
        "needed": needed,
    }
    if refused.lacks == "price":
        reason = (
            f"Nobody knows the price of this model, and the budget {key!r} is in dollars. Give its price in the file "
            f"that OUTLIVE_PRICES names, or let such calls count as no money: `outlive budget set {key} "
            f"{dollars(row['usd_nanos'])}usd --unknown-prices count_as_zero`; then retry."
        )
        return BudgetExhausted(reason, budget=key, version=row["version"], about=about)
    name = refused.lacks
    about["suggested"] = suggestion(name, row, needed)
    gone = f"{said(name, taken(row, name))} of {said(name, row[name])} are spent"
    if maybe := row[f"doubtful_{name}"]:
        gone += f" ({said(name, maybe)} of it by calls whose answer was never known)"
    reason = (
        f"The budget {key!r} does not pay for the next call, which may come to {said(name, needed[name])}: {gone}. "
        f"`outlive budget raise {key} {about['suggested']}` lets everything go on that waits for it."
    )
    return BudgetExhausted(reason, budget=key, version=row["version"], about=about)


def suggestion(name: str, row: Mapping[str, Any], needed: Mapping[str, int]) -> str:
    """Return a cap that would do for a while: twice what it is, and enough for the next call in any case."""
    amount = max(2 * row[name], taken(row, name) + row[f"held_{name}"] + 2 * needed[name])
    if name != "usd_nanos":
        return f"{amount}{name}"
    cents = -(-amount // (NANOS_PER_USD // 100))
    return f"{Decimal(cents) / 100}usd"


def said(name: str, amount: int) -> str:
    """Return an amount for people."""
    if name == "usd_nanos":
        return f"${dollars(amount)}"
    return f"{amount:,} {name if amount != 1 else name.removesuffix('s')}"


def dollars(usd_nanos: int) -> str:
    """Return dollars without an exponent and without zeros that say nothing."""
    text = f"{Decimal(usd_nanos) / NANOS_PER_USD:.9f}".rstrip("0")
    whole, _, rest = text.partition(".")
    return f"{whole}.{rest:0<2}"

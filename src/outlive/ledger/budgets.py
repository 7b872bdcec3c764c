"""Budgets: what may be spent, what is, and what calls in flight may come to. A call is paid for before it is made.

``spent + doubtful + held <= cap`` holds at every moment for whatever is reserved: the sum is checked and changed in one
transaction, whichever worker asks. Rows of budgets are locked in the order of their keys.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, RowMapping, delete, insert, select, update

from outlive.contracts.budgets import Budget, BudgetScope
from outlive.errors import BudgetError
from outlive.ledger.budget_records import DOUBTFUL, HELD, BudgetRecord, budget_record
from outlive.ledger.reserving import (
    AMOUNTS,
    Hold,
    Need,
    Refused,
    Verdict,
    judge,
    lifted,
    stale_by_budget,
)
from outlive.ledger.schema import budget_changes, budget_waits, budgets, reservations
from outlive.ledger.upserts import insert_missing, insert_or_set

TOLD_AGAIN_SECONDS = 10.0  # after which a workflow that still waits is told again: whoever told it may have died


@dataclass(frozen=True, kw_only=True)
class BudgetWait:
    """A workflow that waits for a budget which was changed since."""

    key: str
    workflow_id: str
    version: int


class Budgets:
    """Reads and writes of budgets, to be run through `Ledger.call`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(outlive_writes=True)

    def concerned(self, keys: Sequence[str]) -> bool:
        """Whether the ledger has any of these budgets."""
        with self._engine.connect() as connection:
            return connection.execute(select(budgets.c.key).where(budgets.c.key.in_(keys)).limit(1)).first() is not None

    def reserve(self, needs: Sequence[Need], *, longest_call: float) -> list[Verdict]:
        """Set aside what calls may come to at most, one after the other, in one transaction.

        Args:
            longest_call: Seconds after which a call can no longer be in flight.
        """
        with self._writing.begin() as connection:
            return [_reserve(connection, need, time.time() - longest_call) for need in needs]

    def release(self, hold: Hold) -> None:
        """Take a reservation back: the call was certainly not billed."""
        with self._writing.begin() as connection:
            take_back(connection, hold.hold_id)

    def doubt(self, hold: Hold) -> None:
        """Count a call as spent at its reservation: it may have been billed, and its answer will never be known."""
        with self._writing.begin() as connection:
            found = select(reservations).where(reservations.c.hold_id == hold.hold_id, reservations.c.state == HELD)
            for row in connection.execute(found.with_for_update()).mappings().all():
                _doubt(connection, row)

    def doubt_stale(self, longest_call: float) -> None:
        """Count calls as spent at their reservations that can no longer be in flight: nobody will tell of them.

        Args:
            longest_call: Seconds after which a call can no longer be in flight.
        """
        stale = select(reservations).where(
            reservations.c.state == HELD, reservations.c.begun_at < time.time() - longest_call
        )
        with self._engine.connect() as connection:
            if connection.execute(stale.limit(1)).first() is None:
                return
        with self._writing.begin() as connection:
            for row in connection.execute(stale.with_for_update()).mappings().all():
                _doubt(connection, row)

    def declare(self, scope: BudgetScope) -> None:
        """Take up the caps that the app's code says, unless they were taken up before."""
        declared = _caps_json(scope)
        with self._writing.begin() as connection:
            row = _locked(connection, [scope.key])
            if not row:
                insert_missing(connection, budgets, _new_row(scope) | {"declared": declared})
            elif row[0]["declared"] != declared:
                _change(connection, row[0], _caps(scope), by="the app's code")
                connection.execute(update(budgets).where(budgets.c.key == scope.key).values(declared=declared))

    def set_caps(self, key: str, budget: Budget, *, by: str) -> BudgetRecord:
        """Set the caps of a budget, which is made where there is none. What is spent stays spent."""
        scope = budget.scope(key)
        with self._writing.begin() as connection:
            insert_missing(connection, budgets, _new_row(scope))
            (row,) = _locked(connection, [key])
            _change(connection, row, {**_caps(scope), "unknown_prices": scope.unknown_prices}, by=by)
        return self.get(key)

    def raise_caps(self, key: str, budget: Budget, *, by: str) -> BudgetRecord:
        """Raise the caps that are named, and leave the others.

        Raises:
            BudgetError: If there is no such budget, or a cap would not be higher than it is.
        """
        wanted = {name: amount for name, amount in _caps(budget.scope(key)).items() if amount is not None}
        with self._writing.begin() as connection:
            rows = _locked(connection, [key])
            if not rows:
                raise BudgetError(f"There is no budget {key!r}. `outlive budget list` shows those that there are.")
            for name, amount in wanted.items():
                if rows[0][name] is not None and amount <= rows[0][name]:
                    raise BudgetError(
                        f"Budget {key!r} has {_said(name, rows[0][name])} already: {_said(name, amount)} raises "
                        f"nothing. Lower it with `outlive budget set`, or give more."
                    )
            _change(connection, rows[0], wanted, by=by)
        return self.get(key)

    def get(self, key: str) -> BudgetRecord:
        """Return a budget.

        Raises:
            BudgetError: If there is none of this key.
        """
        found = self.find([key])
        if not found:
            raise BudgetError(f"There is no budget {key!r}. `outlive budget list` shows those that there are.")
        return found[0]

    def find(self, keys: Sequence[str] | None = None) -> list[BudgetRecord]:
        """Return budgets by key; all of them, where no keys are given."""
        query = select(budgets).order_by(budgets.c.key)
        waits = select(budget_waits.c.key, budget_waits.c.workflow_id).order_by(budget_waits.c.since)
        if keys is not None:
            query = query.where(budgets.c.key.in_(keys))
            waits = waits.where(budget_waits.c.key.in_(keys))
        with self._engine.connect() as connection:
            waiting = connection.execute(waits).all()
            rows = connection.execute(query).mappings()
            return [budget_record(row, [run for key, run in waiting if key == row["key"]]) for row in rows]

    def waits_to_tell(self) -> list[BudgetWait]:
        """Return the workflows that wait for a budget which was changed since; this caller is to tell them.

        Each is given to one caller, and to another after a while, should it not have been told by then.
        """
        now = time.time()
        joined = budget_waits.join(budgets, budgets.c.key == budget_waits.c.key)
        is_open = (budgets.c.version > budget_waits.c.version) & (
            budget_waits.c.told_at.is_(None) | (budget_waits.c.told_at < now - TOLD_AGAIN_SECONDS)
        )
        query = select(budget_waits.c.key, budget_waits.c.workflow_id, budgets.c.version).select_from(joined)
        with self._engine.connect() as connection:
            found = connection.execute(query.where(is_open)).all()
        mine: list[BudgetWait] = []
        for key, workflow_id, version in found:
            wait = BudgetWait(key=key, workflow_id=workflow_id, version=version)
            claimed = (
                update(budget_waits)
                .where(
                    *_is(wait), budget_waits.c.told_at.is_(None) | (budget_waits.c.told_at < now - TOLD_AGAIN_SECONDS)
                )
                .values(told_at=now)
            )
            with self._writing.begin() as connection:
                if connection.execute(claimed).rowcount:
                    mine.append(wait)
        return mine

    def told(self, wait: BudgetWait) -> None:
        """Note that a workflow was told, or has ended, so that it is not told again."""
        with self._writing.begin() as connection:
            connection.execute(delete(budget_waits).where(*_is(wait), budget_waits.c.version < wait.version))


def settle(connection: Connection, hold_id: str, spent: Mapping[str, int], *, is_priced: bool) -> None:
    """Put what a call came to in the place of what was set aside for it, in the transaction that is open.

    Args:
        spent: By name of the amount. Where it is not priced, the dollars set aside count.
    """
    row = _removed(connection, hold_id)
    if row is None:
        return
    counted = dict(spent) if is_priced else {**spent, "usd_nanos": row["usd_nanos"]}
    for key in json.loads(row["budgets"]):
        changes: dict[str, Any] = _minus(row["state"], row)
        changes |= {f"spent_{name}": budgets.c[f"spent_{name}"] + counted[name] for name in AMOUNTS}
        changes["unpriced_calls"] = budgets.c.unpriced_calls + (0 if is_priced else 1)
        connection.execute(update(budgets).where(budgets.c.key == key).values(**changes))


def take_back(connection: Connection, hold_id: str) -> None:
    """Take a reservation back, in the transaction that is open."""
    row = _removed(connection, hold_id)
    if row is None:
        return
    for key in json.loads(row["budgets"]):
        connection.execute(update(budgets).where(budgets.c.key == key).values(**_minus(row["state"], row)))


def _removed(connection: Connection, hold_id: str) -> RowMapping | None:
    """Remove a reservation and return it; None where it is gone, or never was."""
    found = select(reservations).where(reservations.c.hold_id == hold_id).with_for_update()
    row = connection.execute(found).mappings().first()
    if row is not None:
        connection.execute(delete(reservations).where(reservations.c.hold_id == hold_id))
    return row


def _reserve(connection: Connection, need: Need, stale_before: float) -> Verdict:
    _doubt_earlier_attempts(connection, need)
    for scope in sorted(need.scopes, key=lambda scope: scope.key):
        if scope.has_caps:
            insert_missing(connection, budgets, _new_row(scope))
    rows = _locked(connection, need.keys)
    verdict = judge(need, rows, {})
    if not isinstance(verdict, Hold):
        verdict = judge(need, rows, _stale(connection, stale_before))
    if isinstance(verdict, Refused) and need.lifted_by:
        verdict = _lift(connection, need, rows)
    if isinstance(verdict, Refused):
        _wait(connection, need, verdict)
    elif isinstance(verdict, Hold) and verdict.budgets:
        _hold(connection, need, verdict)
    return verdict


def _doubt_earlier_attempts(connection: Connection, need: Need) -> None:
    """Count earlier attempts whose worker died, or was taken for dead, as spent: the provider may have billed them."""
    earlier = select(reservations).where(reservations.c.effect_key == need.effect_key, reservations.c.state == HELD)
    for row in connection.execute(earlier.with_for_update()).mappings().all():
        _doubt(connection, row)


def _lift(connection: Connection, need: Need, rows: Sequence[RowMapping]) -> Verdict:
    for row in rows:
        if changes := lifted(need, row):
            _change(connection, row, changes, by=f"{need.lifted_by}, to come to an end")
    return judge(need, _locked(connection, need.keys), {})


def _wait(connection: Connection, need: Need, refused: Refused) -> None:
    """Remember who waits, so that whoever raises the budget need not know them."""
    row = {
        "key": refused.budget["key"],
        "workflow_id": need.workflow_id,
        "version": refused.budget["version"],
        "since": time.time(),
        "told_at": None,
    }
    insert_or_set(connection, budget_waits, row, ["version", "told_at"])


def _hold(connection: Connection, need: Need, hold: Hold) -> None:
    connection.execute(
        insert(reservations).values(
            hold_id=need.hold_id,
            effect_key=need.effect_key,
            workflow_id=need.workflow_id,
            budgets=json.dumps([*hold.budgets]),
            usd_nanos=hold.amounts["usd_nanos"],
            tokens=hold.amounts["tokens"],
            state=HELD,
            owner=need.owner,
            begun_at=time.time(),
        )
    )
    more = {f"held_{name}": budgets.c[f"held_{name}"] + hold.amounts[name] for name in AMOUNTS}
    for key in hold.budgets:
        connection.execute(update(budgets).where(budgets.c.key == key).values(**more))


def _doubt(connection: Connection, row: RowMapping) -> None:
    moved = update(reservations).where(reservations.c.hold_id == row["hold_id"], reservations.c.state == HELD)
    if not connection.execute(moved.values(state=DOUBTFUL)).rowcount:
        return
    amounts = _amounts(row)
    changes = _minus(HELD, row) | {
        f"doubtful_{name}": budgets.c[f"doubtful_{name}"] + amounts[name] for name in AMOUNTS
    }
    for key in json.loads(row["budgets"]):
        connection.execute(update(budgets).where(budgets.c.key == key).values(**changes))


def _stale(connection: Connection, before: float) -> dict[str, dict[str, int]]:
    query = select(reservations).where(reservations.c.state == HELD, reservations.c.begun_at < before)
    return stale_by_budget((json.loads(row["budgets"]), _amounts(row)) for row in connection.execute(query).mappings())


def _change(connection: Connection, row: RowMapping, changes: Mapping[str, Any], *, by: str) -> None:
    """Set caps, and write down who did."""
    version = row["version"] + 1
    connection.execute(update(budgets).where(budgets.c.key == row["key"]).values(**changes, version=version))
    caps = {name: changes.get(name, row[name]) for name in AMOUNTS}
    connection.execute(
        insert(budget_changes).values(
            key=row["key"], version=version, caps=json.dumps(caps), changed_by=by[:200], changed_at=time.time()
        )
    )


def _locked(connection: Connection, keys: Sequence[str]) -> Sequence[RowMapping]:
    query = select(budgets).where(budgets.c.key.in_(keys)).order_by(budgets.c.key).with_for_update()
    return connection.execute(query).mappings().all()


def _new_row(scope: BudgetScope) -> dict[str, Any]:
    sums = {f"{kind}_{name}": 0 for kind in ("spent", HELD, DOUBTFUL) for name in AMOUNTS}
    return {
        "key": scope.key,
        **_caps(scope),
        **sums,
        "unpriced_calls": 0,
        "unknown_prices": scope.unknown_prices,
        "version": 0,
    }


def _caps(scope: BudgetScope) -> dict[str, int | None]:
    return {"usd_nanos": scope.usd_nanos, "tokens": scope.tokens, "calls": scope.calls}


def _caps_json(scope: BudgetScope) -> str:
    return json.dumps([scope.usd_nanos, scope.tokens, scope.calls, scope.unknown_prices])


def _amounts(row: RowMapping) -> dict[str, int]:
    return {"usd_nanos": row["usd_nanos"], "tokens": row["tokens"], "calls": 1}


def _minus(kind: str, row: RowMapping) -> dict[str, Any]:
    amounts = _amounts(row)
    return {f"{kind}_{name}": budgets.c[f"{kind}_{name}"] - amounts[name] for name in AMOUNTS}


def _is(wait: BudgetWait) -> tuple[Any, Any]:
    return budget_waits.c.key == wait.key, budget_waits.c.workflow_id == wait.workflow_id


def _said(name: str, amount: int) -> str:
    return f"${amount / 1_000_000_000:g}" if name == "usd_nanos" else f"{amount:,} {name}"

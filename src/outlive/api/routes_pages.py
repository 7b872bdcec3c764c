"""The JSON twins of the pages Home, Money and Fleet."""

from typing import Annotated

from fastapi import APIRouter, Query

from outlive.api.bodies import RaiseBody, RedeliverBody
from outlive.api.connected import Acting, Connected, acting_name
from outlive.api.fleet_page import read_fleet
from outlive.api.home import read_home
from outlive.api.money_page import read_budgets, read_spent
from outlive.api.views_fleet import FleetView, RedeliveredView
from outlive.api.views_home import HomeView
from outlive.api.views_money import BudgetView, Group, MoneyView
from outlive.contracts.budgets import Budget

router = APIRouter(prefix="/v1", tags=["pages"])

DAY_SECONDS = 86_400.0


@router.get("/home")
async def get_home(client: Connected) -> HomeView:
    """Return what runs, what waits for a person, what is stuck, and what it costs today."""
    return await read_home(client)


@router.get("/money")
async def get_money(
    client: Connected,
    by: Group = "model",
    since: Annotated[
        str | None, Query(max_length=20, description="First day that counts: 2026-11-01, or 7d for seven days. In UTC.")
    ] = None,
) -> MoneyView:
    """Return what was spent on model calls, as `outlive spend` does."""
    return await read_spent(client, by, since)


@router.get("/budgets")
async def list_budgets(client: Connected) -> list[BudgetView]:
    """List the budgets, what is spent of them, and what waits for them."""
    return list(await read_budgets(client))


@router.post("/budgets/raise")
async def raise_budget(client: Connected, caller: Acting, body: RaiseBody) -> BudgetView:
    """Raise the caps that are named. What waits for the budget goes on by itself."""
    wanted = Budget.parse(body.budget)
    budgets = client.ledger.budgets
    by = acting_name(caller, body.by)
    return BudgetView.of(await client.ledger.call(budgets.raise_caps, body.key, wanted, by=by))


@router.get("/fleet")
async def get_fleet(client: Connected) -> FleetView:
    """Return the workers, the versions they serve, what waits in queues, and events that were given up."""
    return await read_fleet(client)


@router.post("/deliveries/redeliver")
async def redeliver(client: Connected, body: RedeliverBody) -> RedeliveredView:
    """Send events again, under the ids that they have; the workers do it."""
    deliveries, lasts = client.ledger.deliveries, client.settings.notify_days * DAY_SECONDS
    return RedeliveredView(count=await client.ledger.call(deliveries.redeliver, body.numbers, lasts=lasts))

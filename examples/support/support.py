"""A support agent: one conversation with a customer, over days, about an order and the money for it."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, PositiveInt
from pydantic_ai import Agent, ModelRetry, RunContext
from shop import database, orders, refunds
from sqlalchemy import insert, select, update

from outlive import App, Durable, SubAgents, connection, effect, http_client, tool_options

CARRIER = os.environ.get("CARRIER_URL", "http://127.0.0.1:8902")
APPROVED_UP_TO = 50  # euros that the agent may refund by itself, each time
POLICIES = Path(__file__).with_name("policies.md")


@dataclass
class Customer:
    """Whom the conversation is with. The model never chooses it: it is given when the conversation is opened."""

    name: str


class Resolution(BaseModel):
    """How a case ended. While it goes on, the agent answers in plain text."""

    outcome: Literal["solved", "given up", "handed over"]
    message: str
    ticket: int | None = None


policies = Agent(
    name="policies",
    description="Knows the shop's policies. Ask in one sentence what applies.",
    instructions="Look the policy up, and quote what applies. Add nothing.",
    capabilities=[Durable()],
)


@policies.tool_plain
def read_policies() -> str:
    """Read the shop's policies."""
    return POLICIES.read_text(encoding="utf-8")


support = Agent(
    name="support",
    deps_type=Customer,
    output_type=[str, Resolution],
    instructions="Help the customer with their order. Look it up, ask what policy applies, open a ticket where the "
    "carrier has to act, and refund what is due. Give a Resolution once the customer has what they need.",
    capabilities=[Durable(), SubAgents(agents=[policies])],
)


@support.instructions
def who_it_is(ctx: RunContext[Customer]) -> str:
    """Tell the model whom it talks with."""
    return f"The customer is {ctx.deps.name}."


@support.tool
@tool_options(timeout=20, attempts=5)
def look_up_order(ctx: RunContext[Customer], number: str) -> dict[str, str | int]:
    """Look up one of the customer's orders by its number. Amounts are euros."""
    own = select(orders).where(orders.c.number == number, orders.c.customer == ctx.deps.name)
    with database().connect() as opened:
        found = opened.execute(own).mappings().first()
    if found is None:
        raise ModelRetry(f"{ctx.deps.name} has no order {number}.")  # the model's mistake: it is told
    return dict(found)


@support.tool
@effect("transactional", database=database, approve=lambda amount, **_: amount > APPROVED_UP_TO)
def refund(ctx: RunContext[Customer], order: str, amount: PositiveInt) -> str:
    """Refund an amount of euros of one of the customer's orders."""
    look_up_order(ctx, order)
    connection().execute(insert(refunds).values(order=order, amount=amount))
    taken = update(orders).where(orders.c.number == order, orders.c.paid - orders.c.refunded >= amount)
    if not connection().execute(taken.values(refunded=orders.c.refunded + amount)).rowcount:
        raise ModelRetry(f"Order {order} has not {amount} euros left to refund.")  # rolls the refund back
    return f"{amount} euros of order {order} are refunded."


@support.tool
@tool_options(timeout=20, attempts=5, on_failure="park")  # a ticket system that is down waits for a person
@effect("idempotent")
async def open_ticket(ctx: RunContext[Customer], order: str, summary: str) -> dict[str, int]:
    """Open a ticket with the carrier for one of the customer's orders."""
    await asyncio.to_thread(look_up_order, ctx, order)
    async with (
        http_client(base_url=CARRIER, raise_for_status=True) as carrier,
        carrier.post("/tickets", json={"order": order, "summary": summary}) as answer,
    ):
        return dict(await answer.json())


app = App("support", agents=[support])

"""A support agent: one conversation with a customer, over days, about an order in a system of the shop's own."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import aiohttp
from pydantic import BaseModel
from pydantic_ai import Agent, ModelRetry, RunContext

from outlive import App, Durable, SubAgents, idempotency_key, tool_options

SHOP = os.environ.get("SHOP_URL", "http://127.0.0.1:8902")
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
    instructions="Help the customer with their order. Look it up, ask what policy applies, and open a ticket where the "
    "carrier has to act. Give a Resolution once the customer has what they need.",
    capabilities=[Durable(), SubAgents(agents=[policies])],
)


@support.instructions
def who_it_is(ctx: RunContext[Customer]) -> str:
    """Tell the model whom it talks with."""
    return f"The customer is {ctx.deps.name}."


@support.tool
@tool_options(timeout=20, attempts=5)
async def look_up_order(ctx: RunContext[Customer], number: str) -> dict[str, str]:
    """Look up one of the customer's orders by its number."""
    async with (
        aiohttp.ClientSession(SHOP) as shop,
        shop.get(f"/orders/{number}", params={"customer": ctx.deps.name}) as answer,
    ):
        return dict(await read(answer))


@support.tool
@tool_options(timeout=20, attempts=5, on_failure="park")  # a ticket system that is down waits for a person
async def open_ticket(ctx: RunContext[Customer], order: str, summary: str) -> dict[str, int]:
    """Open a ticket with the carrier for one of the customer's orders."""
    headers = {"Idempotency-Key": idempotency_key()}  # the same on every attempt: the shop opens one ticket
    ticket = {"customer": ctx.deps.name, "order": order, "summary": summary}
    async with aiohttp.ClientSession(SHOP) as shop, shop.post("/tickets", json=ticket, headers=headers) as answer:
        return dict(await read(answer))


async def read(answer: aiohttp.ClientResponse) -> Any:
    """Return what the shop answers. What it does not find is the model's mistake; the rest is tried again."""
    if answer.status == 404:
        raise ModelRetry(await answer.text())
    answer.raise_for_status()
    return await answer.json()


app = App("support", agents=[support])

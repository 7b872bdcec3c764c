"""The shop of the pictures: the support agent of ``examples/support``, a batch over letters, and a plan that asks."""

import os
from typing import Literal

from pydantic import BaseModel, Field

from outlive import App, Budget, Document, FailedItem, Llm, Plan, Webhook, Worked
from support import support

PRICE = {"input": "0.25", "output": "2"}  # dollars for a million tokens, as of a small hosted model

app = App(
    "shop",
    agents=[support],
    budget=Budget(usd="20"),
    tenants={"trial": Budget(usd="0.0039"), "acme": Budget(usd="10", calls=50_000)},
    prices={"openai:scripted": PRICE},
    notify=Webhook(os.environ.get("SHOP_HOOK", "http://127.0.0.1:9/"), secret=None, events=["completed", "failed"]),
)


class Letter(BaseModel):
    """What a customer's letter is about."""

    topic: Literal["delivery", "damage", "refund", "praise", "question"]
    urgency: int = Field(ge=1, le=5, description="5 has to be answered today")
    summary: str = Field(max_length=200)
    asks_for_money: bool = False


@app.batch(model="openai:scripted", concurrency=30)
async def sort_letters(document: Document, llm: Llm) -> Letter:
    """Say what the customer's letter is about, how urgent it is, and whether it asks for money."""
    return await llm(document.text)


class Period(BaseModel):
    """Which orders, and how many."""

    before: str = Field(description="A year, such as 2024")
    orders: int = Field(default=20_000, gt=0)


async def unarchivable(rows: list[int]) -> Worked:
    """Say which orders cannot be moved; changes nothing."""
    return Worked(failed=[FailedItem(item=row, reason="It is not paid.") for row in rows if row < 0])


@app.effect("idempotent", shadow=unarchivable)
async def archive_orders(rows: list[int]) -> int:
    """Move some orders into the archive."""
    return len(rows)


@app.plan
async def archive(plan: Plan, period: Period) -> str:
    """Move old orders into the archive, in waves, and ask before they are deleted."""
    await plan.log(f"{period.orders:,} orders from before {period.before}")
    moved = await plan.waves(period.orders, each=archive_orders, chunk=500)
    decision = await plan.hand_off(
        f"{moved.done:,} orders are in the archive. Delete them from the shop?", choices=["delete", "keep both"]
    )
    return decision.choice

"""A plan's world: a shelf that its effects fill, and that counts."""

from collections import Counter
from typing import Any

from engines import until
from outlive import App, UndoneEffect, idempotency_key
from outlive.client import Client
from outlive.plan_runs import PlanHandle


class Shelf:
    """Counts what is put on it and taken off it.

    Attributes:
        errors: What the next calls raise, by item.
    """

    def __init__(self) -> None:
        self.put: Counter[Any] = Counter()
        self.taken: list[Any] = []
        self.keys: dict[Any, set[str]] = {}
        self.errors: dict[Any, list[Exception]] = {}

    def take_error(self, item: Any) -> None:
        """Raise what an item is to raise."""
        if self.errors.get(item):
            raise self.errors[item].pop(0)

    def declare(self, app: App, *, policy: str = "idempotent", **options: Any) -> Any:
        """Return the effect that puts one item on the shelf."""

        async def take_off(undone: UndoneEffect) -> None:
            self.take_error(("undo", undone.args["item"]))
            self.taken.append((undone.args["item"], undone.result))

        @app.effect(policy, undo=take_off, **options)
        async def put(item: int) -> str:
            self.keys.setdefault(item, set()).add(idempotency_key())
            self.take_error(item)
            self.put[item] += 1
            return f"put {item}"

        return put


async def asked(handle: PlanHandle) -> Any:
    """Wait until a run asks a person, and return its question."""
    found: list[Any] = []

    async def asks() -> bool:
        found[:] = (await handle.status()).questions
        return bool(found)

    await until(asks, f"{handle.workflow_id} asks")
    (question,) = found
    return question


async def run(client: Client, plan: Any, request: Any = None, **options: Any) -> Any:
    """Run a plan to its end."""
    return await (await client.start_plan(plan, request, **options)).result()

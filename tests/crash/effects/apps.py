"""Agents whose only tool has an effect, each under another policy."""

import asyncio
import os
from functools import cache
from pathlib import Path
from typing import Any

from pydantic_ai import Agent
from sqlalchemy import Engine, create_engine, text

from outlive import App, Durable, Happened, connection, effect, http_client
from outlive.testing.faults import kill_this_process

MODEL = "openai:outside"


async def _post(run: str, number: int, *, honoured: bool) -> str:
    async with http_client(raise_for_status=True) as client:
        asked = {"run": run, "number": number, "honoured": honoured}
        async with client.post(f"{os.environ['RECEIVER']}/effects", json=asked) as response:
            return str((await response.json())["said"])


@effect("idempotent")
async def act_idempotently(run: str, number: int) -> str:
    """Act on a service that honours the key."""
    return await _post(run, number, honoured=True)


@effect("idempotent")
async def act_unheeded(run: str, number: int) -> str:
    """Act on a service that does not."""
    return await _post(run, number, honoured=False)


async def was_done(key: str, args: dict[str, Any]) -> Happened[str] | None:
    """Ask the service."""
    assert set(args) == {"run", "number"}
    async with (
        http_client(raise_for_status=True) as client,
        client.get(f"{os.environ['RECEIVER']}/effects/{key}") as response,
    ):
        said = (await response.json())["said"]
    return None if said is None else Happened(said)


@effect("checked", check=was_done)
async def act_checked(run: str, number: int) -> str:
    """Act on a service that can be asked."""
    return await _post(run, number, honoured=False)


@effect("checked", check=was_done)
async def act_behind_a_door(run: str, number: int) -> str:
    """Act once nothing is in the way."""
    while Path(os.environ["OBSTACLE"]).exists():  # noqa: ASYNC110, ASYNC240
        await asyncio.sleep(0.05)
    return await _post(run, number, honoured=False)


@effect("once")
async def act_once(run: str, number: int) -> str:
    """Act on a service that tells nothing."""
    return await _post(run, number, honoured=False)


@cache
def database() -> Engine:
    """Return the user's own database."""
    return create_engine(os.environ["USER_DATABASE"])


@effect("transactional", database=database)
def act_in_a_transaction(run: str, number: int) -> str:
    """Act on a database."""
    connection().execute(text("INSERT INTO acts (run, number) VALUES (:run, :number)"), {"run": run, "number": number})
    struck = Path(os.environ["OBSTACLE"])
    if struck.exists():
        struck.unlink()
        kill_this_process()
    return f"did {number}"


def _agent(name: str, tool: object) -> Agent[None, str]:
    agent = Agent(MODEL, name=name, capabilities=[Durable()])
    agent.tool_plain(name="act")(tool)
    return agent


TOOLS = {
    "idempotent": act_idempotently,
    "unheeded": act_unheeded,
    "transactional": act_in_a_transaction,
    "checked": act_checked,
    "once": act_once,
    "behind a door": act_behind_a_door,
}
app = App("effects", agents=[_agent(name, tool) for name, tool in TOOLS.items()])

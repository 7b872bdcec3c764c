"""What the workers of these tests serve: agents that act on the world outside."""

import asyncio
import os
from datetime import timedelta
from pathlib import Path

import aiohttp
from pydantic_ai import Agent

from outlive import App, Durable, SubAgents, idempotency_key, tool_options

MODEL = "openai:outside"


async def effect(run: str, number: int) -> str:
    """Act on the world outside, under the key of the call."""
    url = os.environ["OPENAI_BASE_URL"].replace("/v1", "/effects")
    headers = {"Idempotency-Key": idempotency_key()}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json={"run": run, "number": number}, headers=headers) as response,
    ):
        said: dict[str, str] = await response.json()
    return said["said"]


async def act(run: str, number: int) -> str:
    """Act."""
    return await effect(run, number)


@tool_options(attempts=1, on_failure="park")
async def act_or_park(run: str, number: int) -> str:
    """Act, where no obstacle is there."""
    if await asyncio.to_thread(Path(os.environ["OBSTACLE"]).exists):
        raise PermissionError("the door is locked")
    return await effect(run, number)


@tool_options(timeout=timedelta(seconds=1), attempts=2)
async def act_deaf(run: str, number: int) -> str:
    """Act, and heed no cancellation while an answer is out, but leave a sign that it came."""
    acting = asyncio.create_task(effect(run, number))
    while not acting.done():
        try:
            await asyncio.shield(acting)
        except asyncio.CancelledError:
            Path(os.environ["OBSTACLE"]).touch()  # noqa: ASYNC240
    return acting.result()


def _agent(name: str, tool: object, durable: Durable | None = None) -> Agent[None, str]:
    agent = Agent(MODEL, name=name, capabilities=[durable or Durable()])
    agent.tool_plain(name="act")(tool)
    return agent


asked = _agent("asked", act)
asker = Agent(MODEL, name="asker", capabilities=[Durable(), SubAgents(agents=[asked])])
patient = _agent("patient", act, Durable(heartbeat_timeout=timedelta(hours=1)))
app = App(
    "crash",
    agents=[_agent("actor", act), _agent("parker", act_or_park), _agent("stubborn", act_deaf), asker, patient],
)

"""What the fleet serves: a batch, and an agent whose tool returns more than a history holds."""

import os
import random

import aiohttp
from pydantic_ai import Agent

from outlive import App, Durable, idempotency_key
from outlive.documents.document import Document
from outlive.models.llm import Llm

LOAD_BYTES = 48_000
"""Of random digits in each result: packed to half, they are still too large for a history, and go into the store."""


carrier = Agent("openai:outside", name="carrier", capabilities=[Durable()])
app = App("cluster", agents=[carrier])


@carrier.tool_plain
async def act(run: str, number: int) -> str:
    """Act on the world outside, under the key of the call, and bring a load back."""
    url = os.environ["OPENAI_BASE_URL"].replace("/v1", "/effects")
    headers = {"Idempotency-Key": idempotency_key()}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url, json={"run": run, "number": number}, headers=headers) as response,
    ):
        said: dict[str, str] = await response.json()
    return f"{said['said']}\n{load_of(run, number)}"


def load_of(run: str, number: int) -> str:
    """What one act brings back."""
    return random.Random(f"{run} {number}").randbytes(LOAD_BYTES // 2).hex()


@app.batch()
async def ask(document: Document, llm: Llm) -> str:
    """Say what the text says."""
    return str(await llm(document.text))

"""Pydantic AI's own Temporal integration, written by hand as its documentation has it.

python bench/agent_stock.py ADDRESS TASK_QUEUE       # what `agents.py` starts
"""

import asyncio
import sys

from pydantic_ai.durable_exec.temporal import PydanticAIPlugin, PydanticAIWorkflow
from pydantic_ai.usage import UsageLimits
from temporalio import workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from agent_app import stock_asker, stock_looker


@workflow.defn
class StockLooker(PydanticAIWorkflow):
    """Runs the agent that looks."""

    __pydantic_ai_agents__ = (stock_looker,)

    @workflow.run
    async def run(self, prompt: str) -> str:
        """Return the agent's answer."""
        return (await stock_looker.run(prompt, usage_limits=UsageLimits(request_limit=None))).output


@workflow.defn
class StockAsker(PydanticAIWorkflow):
    """Runs the agent that asks a model over HTTP."""

    __pydantic_ai_agents__ = (stock_asker,)

    @workflow.run
    async def run(self, prompt: str) -> str:
        """Return the agent's answer."""
        return (await stock_asker.run(prompt)).output


async def connected(address: str) -> Client:
    return await Client.connect(address, plugins=[PydanticAIPlugin()])


async def serve(address: str, task_queue: str) -> None:
    client = await connected(address)
    async with Worker(client, task_queue=task_queue, workflows=[StockLooker, StockAsker]):
        await asyncio.Future()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:3]))

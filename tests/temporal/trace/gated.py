"""An agent that goes on by one tool call at a time, so that a run can be looked at while nothing moves."""

import asyncio

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from engines import fresh, until
from outlive import Durable
from outlive.client import Client
from outlive.contracts.agents import AgentInput, AgentMessage
from outlive.runs import RunHandle


class Gated:
    """Its tool waits for a permit.

    Attributes:
        entered: How often the tool was called.
    """

    def __init__(self, *, times: int, result: str = "stepped", **durable: object) -> None:
        self.entered = 0
        self._permits = asyncio.Semaphore(0)

        def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
            done = sum(isinstance(part, ToolReturnPart) for message in messages for part in message.parts)
            if done < times:
                return ModelResponse(parts=[ToolCallPart("step", {"number": done})])
            return ModelResponse(parts=[TextPart(f"{times} steps")])

        self.agent = Agent(
            FunctionModel(answer), name=fresh("gated").replace("-", "_"), capabilities=[Durable(**durable)]
        )

        @self.agent.tool_plain
        async def step(number: int) -> str:
            """Step."""
            self.entered += 1
            await self._permits.acquire()
            return f"{result} {number}"

    def permit(self, steps: int = 1) -> None:
        for _ in range(steps):
            self._permits.release()

    async def is_at(self, step: int) -> None:
        """Wait until the tool was called so often, and is waiting."""
        await until(lambda: self.entered >= step, f"step {step} is reached")

    async def start(self, client: Client, *, events_per_run: int = 2_000) -> RunHandle:
        """Start a run that continues as new after so many events."""
        start = AgentInput(
            agent=self.agent.name,
            inbox=[AgentMessage(message_id="m", content="Go")],
            events_per_run=events_per_run,
        )
        await client._start(f"agent/{self.agent.name}/run", start, summary="gated")
        return await client.run("run", agent=self.agent.name)

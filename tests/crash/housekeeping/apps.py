"""An agent whose every call returns much, so that each recorded result lies in the payload store."""

import asyncio
import os
from pathlib import Path

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from outlive import App, Durable, tool_options

SIZE = 50_000


def bulk(run: str, number: int) -> str:
    """What a call returns."""
    return f"{run} {number} " + "x" * SIZE


def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
    """Fetch as often as the prompt says (``RUN COUNT``), then say how much came."""
    parts = [part for message in messages for part in message.parts]
    prompts = [index for index, part in enumerate(parts) if isinstance(part, UserPromptPart)]
    run, wanted = str(parts[prompts[-1]].content).split()
    returned = [part for part in parts[prompts[-1] :] if isinstance(part, ToolReturnPart)]
    if len(returned) < int(wanted):
        return ModelResponse(parts=[ToolCallPart("fetch", {"run": run, "number": len(returned)})])
    assert [part.content for part in returned] == [bulk(run, number) for number in range(int(wanted))]
    return ModelResponse(parts=[TextPart(f"{run} fetched {len(returned)}; in all {len(parts)} parts " + "y" * SIZE)])


agent = Agent(FunctionModel(answer), name="bulky", capabilities=[Durable()])


@agent.tool_plain
@tool_options(attempts=1, on_failure="park")
async def fetch(run: str, number: int) -> str:
    """Fetch much; the third time only once nothing is in the way of the run."""
    folder = Path(os.environ["WORLD"])
    while number == 2 and (folder / f"{run}.hold").exists():  # noqa: ASYNC110 - another process removes it
        await asyncio.sleep(0.05)
    if number == 2 and (folder / f"{run}.locked").exists():
        raise PermissionError("the door is locked")
    with (folder / "fetched").open("a") as file:
        file.write(f"{run} {number}\n")
    return bulk(run, number)


app = App("bulk", agents=[agent])

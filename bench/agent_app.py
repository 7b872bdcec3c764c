"""The agents that `agents.py` measures: with Outlive, bare in memory, and on Pydantic AI's own Temporal integration.

Each has one tool. Two of the models are functions in the process, so that nothing but the agent costs anything; the
third is asked over HTTP.
"""

import json
import os
import random
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic_ai import Agent
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.durable_exec.temporal import TemporalDurability
from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, ToolCallPart, UserPromptPart
from pydantic_ai.models import Model
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage

from measuring import cpu_seconds
from outlive import App, Durable, Settings
from outlive.engine.home import Home

HTTP_MODEL = "openai-chat:scripted"
MARKS = "BENCH_MARKS"
"""Variable with the path of the file that a run's marks go to."""
TENTHS = 10
_RANDOM = random.Random(7)
_WORDS = ["".join(_RANDOM.choices("abcdefghijklmnopqrstuvwxyz", k=_RANDOM.randint(2, 10))) for _ in range(4_000)]
TEXT = " ".join(_RANDOM.choices(_WORDS, k=200_000))
"""Words by chance: it compresses as prose does, and no two pieces of it are the same."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """Where a run was at a tool call: seconds of the clock, and of CPU of its process and of the engine."""

    number: int
    clock: float
    process: float
    engine: float


def text(number: int, size: int) -> str:
    """Return the piece of text with a number: ``size`` bytes, each another."""
    start = number * 997 % (len(TEXT) - size)
    return TEXT[start : start + size]


def calls_of(messages: list[ModelMessage]) -> tuple[int, int]:
    """Return how many tool calls the prompt of a run asks for, and how large their results are to be."""
    first = messages[0]
    assert isinstance(first, ModelRequest)
    assert isinstance(first.parts[0], UserPromptPart)
    calls, size = str(first.parts[0].content).split()
    return int(calls), int(size)


def say(part: TextPart | ToolCallPart) -> ModelResponse:
    # with its usage: FunctionModel would count the words of the whole conversation for each call
    return ModelResponse(parts=[part], usage=RequestUsage(input_tokens=1, output_tokens=1))


def looking(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
    """Call the tool as often as the prompt, ``CALLS SIZE``, says."""
    number, (calls, size) = len(messages) // 2, calls_of(messages)
    if number == calls:
        return say(TextPart("done"))
    return say(ToolCallPart("look", {"number": number, "size": size, "calls": calls}, tool_call_id=f"c{number}"))


def talking(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
    """Answer with as much as was said."""
    said = messages[-1].parts[-1]
    assert isinstance(said, UserPromptPart)
    return say(TextPart(text(len(messages), len(str(said.content)))))


async def look(number: int, size: int = 20, calls: int = 0) -> str:
    """Return a text; and leave a mark at each tenth of the run."""
    if calls and (number % max(1, calls // TENTHS) == 0 or number == calls - 1):
        mark(number)
    return text(number, size)


def mark(number: int) -> None:
    """Write down what was used so far."""
    if path := os.environ.get(MARKS):
        state = Home(Settings.load().home).read_state()
        engine = cpu_seconds([state.engine_pid if state else None])
        made = Mark(number=number, clock=time.monotonic(), process=time.process_time(), engine=engine)
        with Path(path).open("a") as file:
            file.write(f"{json.dumps(asdict(made))}\n")


def forget_marks() -> None:
    Path(os.environ[MARKS]).write_text("")


def read_marks(path: Path) -> list[Mark]:
    return [Mark(**json.loads(line)) for line in path.read_text().splitlines()]


Capability = Callable[[], AbstractCapability]


def agents(prefix: str, capability: Capability) -> tuple[Agent, Agent, Agent]:
    """Return the agents, made durable in some way: who looks, who talks, and who asks a model over HTTP."""

    def agent(name: str, model: Model | str) -> Agent:
        made = Agent(model, name=f"{prefix}{name}", capabilities=[capability()])
        made.tool_plain(sequential=True)(look)
        return made

    return (
        agent("looker", FunctionModel(looking, model_name="looking")),
        agent("talker", FunctionModel(talking, model_name="talking")),
        agent("asker", HTTP_MODEL),
    )


looker, talker, asker = agents("", Durable)
stock_looker, _, stock_asker = agents("stock_", TemporalDurability)
app = App("bench", agents=[looker, talker, asker])

"""Workflows that carry much."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow

with workflow.unsafe.imports_passed_through():
    from pydantic_ai.messages import ModelMessage, ModelRequest, ModelResponse, TextPart, UserPromptPart

TIMEOUT = timedelta(seconds=60)


@dataclass(frozen=True, kw_only=True)
class Call:
    """One model call's worth of messages. Their type is not said, as in our own contracts."""

    number: int
    tools: list[str] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Talk:
    """How a conversation begins, and how long it goes on."""

    turns: int
    answer_size: int = 5_000
    waits_after: int | None = None
    continues_after: int | None = None
    messages: list[ModelMessage] = field(default_factory=list)


@activity.defn(name="test_answer")
async def answer(call: Call, size: int) -> ModelResponse:
    """Check that the whole conversation came, and answer at length."""
    assert len(call.messages) == 2 * call.number + 1
    for number, message in enumerate(call.messages):
        kind = ModelResponse if number % 2 else ModelRequest
        assert type(message) is kind, (number, message)
        assert message.parts[0].content.startswith(f"{number}: ")
    return ModelResponse(parts=[TextPart(content=f"{2 * call.number + 1}: " + "x" * size)])


@activity.defn(name="test_double")
async def double(text: str) -> str:
    """Return twice as much."""
    return text * 2


@workflow.defn(name="TestTalking")
class Talking:
    """Sends a conversation that grows to one activity after the other."""

    def __init__(self) -> None:
        self._goes_on = False

    @workflow.run
    async def run(self, talk: Talk) -> int:
        messages = list(talk.messages)
        for turn in range(len(messages) // 2, talk.turns):
            if turn == talk.waits_after:
                await workflow.wait_condition(lambda: self._goes_on)
            if turn == talk.continues_after:
                workflow.continue_as_new(
                    Talk(turns=talk.turns, answer_size=talk.answer_size, waits_after=turn, messages=messages)
                )
            prompt = UserPromptPart(content=f"{2 * turn}: go on", timestamp=workflow.now())
            messages.append(ModelRequest(parts=[prompt], timestamp=workflow.now()))
            call = Call(number=turn, tools=["described at length " * 100], messages=messages)
            messages.append(
                await workflow.execute_activity(answer, args=[call, talk.answer_size], start_to_close_timeout=TIMEOUT)
            )
        return len(messages)

    @workflow.signal
    def go_on(self) -> None:
        self._goes_on = True


@workflow.defn(name="TestHeavy")
class Heavy:
    """Takes and gives large values in every way."""

    def __init__(self) -> None:
        self._signalled = ""

    @workflow.run
    async def run(self, text: str) -> str:
        doubled = await workflow.execute_activity(double, text, start_to_close_timeout=TIMEOUT)
        await workflow.wait_condition(lambda: self._signalled)
        return doubled + self._signalled

    @workflow.signal
    def tell(self, text: str) -> None:
        self._signalled = text

    @workflow.query
    def signalled(self) -> str:
        return self._signalled


@workflow.defn(name="TestLocal")
class Local:
    """Sends a conversation to a local activity."""

    @workflow.run
    async def run(self, talk: Talk) -> int:
        call = Call(number=(len(talk.messages) - 1) // 2, messages=talk.messages)
        response = await workflow.execute_local_activity(
            answer, args=[call, talk.answer_size], start_to_close_timeout=TIMEOUT
        )
        return len(response.parts[0].content)

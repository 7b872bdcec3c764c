"""An agent can be rehearsed without key and network, and nobody can take that for a language model's work."""

import asyncio
from enum import StrEnum
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field
from pydantic_ai import Agent, ModelRetry, NativeOutput, PromptedOutput, Tool
from pydantic_ai.messages import (
    ModelResponse,
    PartDeltaEvent,
    PartStartEvent,
    TextPart,
    TextPartDelta,
    ToolCallPart,
    ToolReturnPart,
)

from outlive.errors import ModelUnusable
from outlive.models.rehearsal import NOTICE, build_rehearsal
from outlive.settings import Settings

LONG = " ".join(
    f"Harbour number {number} keeps its boats behind a breakwater of granite blocks." for number in range(60)
)


class Tone(StrEnum):
    DRY = "dry"
    WARM = "warm"


class Report(BaseModel):
    title: str
    summary: str
    topics: list[str]


class Score(BaseModel):
    score: int


@pytest.fixture
def model():
    return build_rehearsal(Settings())


@pytest.fixture
def agent(model):
    return Agent(model, name="rehearsed")


def calls(result):
    return [part for message in result.all_messages() for part in message.parts if isinstance(part, ToolCallPart)]


def returns(result):
    return [part for message in result.all_messages() for part in message.parts if isinstance(part, ToolReturnPart)]


# -- which tools are called


async def test_a_tool_that_the_prompt_names_is_called_and_its_result_is_the_answer(agent):
    @agent.tool_plain
    def find_order(order_id: str) -> str:
        """Look up an order."""
        return f"Order {order_id} left the warehouse on Monday."

    @agent.tool_plain
    def play_music(song: str) -> str:
        """Play a song."""
        return song

    result = await agent.run("Where is order 4711?")

    assert [(call.tool_name, call.args_as_dict()) for call in calls(result)] == [("find_order", {"order_id": "4711"})]
    assert result.output == "find_order returned: Order 4711 left the warehouse on Monday."


async def test_a_tool_is_found_by_its_description_too(agent):
    @agent.tool_plain
    def lookup(city: str) -> str:
        """Tell the weather of a city."""
        return f"Rain in {city}"

    result = await agent.run("What is the weather in Lisbon?")

    assert [call.args_as_dict() for call in calls(result)] == [{"city": "Lisbon"}]


async def test_at_most_three_tools_are_called_each_once_those_that_fit_best_first(agent):
    for name in ("count_boats", "weigh_boats", "paint_boats", "sell_boats", "list_boats_in_harbour"):

        def tool() -> str:
            return "done"

        tool.__name__ = name
        agent.tool_plain(tool)

    result = await agent.run("List the boats in the harbour")

    assert [call.tool_name for call in calls(result)] == ["list_boats_in_harbour", "count_boats", "weigh_boats"]


async def test_a_tool_whose_needed_arguments_the_prompt_lacks_is_not_called(agent):
    @agent.tool_plain
    def transfer_money(amount: float, to: str) -> str:
        """Transfer money."""
        return "sent"

    result = await agent.run("Transfer the money, will you?")

    assert calls(result) == []
    assert "Transfer the money" in result.output


async def test_a_prompt_without_a_fitting_tool_is_answered_with_its_own_sentences(agent):
    @agent.tool_plain
    def play_music(song: str) -> str:
        return song

    result = await agent.run("The harbour was built in 1911. It has two moles and a lighthouse made of stone.")

    assert result.output == "The harbour was built in 1911. It has two moles and a lighthouse made of stone."


async def test_each_turn_of_a_conversation_calls_tools_anew(agent):
    @agent.tool_plain
    def find_order(order_id: str) -> str:
        return f"{order_id} is on its way"

    first = await agent.run("Where is order 4711?")
    second = await agent.run("And order 4712?", message_history=first.all_messages())

    assert [call.args_as_dict() for call in calls(second)] == [{"order_id": "4711"}, {"order_id": "4712"}]
    assert second.output == "find_order returned: 4712 is on its way"
    assert len({call.tool_call_id for call in calls(second)}) == 2


async def test_a_tool_that_refuses_ends_the_rehearsal_with_its_refusal(agent):
    tries = []

    @agent.tool_plain
    def find_order(order_id: str) -> str:
        tries.append(order_id)
        raise ModelRetry("There is no such order.")

    result = await agent.run("Where is order 4711?")

    assert tries == ["4711"]
    assert result.output.startswith("find_order gave no result:")
    assert "There is no such order." in result.output


async def test_a_long_result_is_told_in_two_sentences(agent):
    @agent.tool_plain
    def read_harbour_list() -> str:
        return LONG

    result = await agent.run("Read the harbour list")

    assert len(result.output) < 250
    assert result.output.count("Harbour number") == 2


# -- arguments


async def test_arguments_are_taken_from_quotations_numbers_and_named_values(agent):
    @agent.tool_plain
    def post_note(
        text: str,
        *,
        tone: Tone,
        copies: Annotated[int, Field(ge=1, le=10)],
        price: float,
        channels: list[Literal["mail", "chat", "phone"]],
        urgent: bool,
        footer: str = "none",
    ) -> str:
        return "posted"

    result = await agent.run(
        'Post a note "The boat is late" in a warm tone, 4711 of them, no, 3 copies for 9.50, by chat and mail, urgent.'
    )

    assert [call.args_as_dict() for call in calls(result)] == [
        {
            "text": "The boat is late",
            "tone": "warm",
            "copies": 3,
            "price": 4711,
            "channels": ["mail", "chat"],
            "urgent": True,
        }
    ]


@pytest.mark.parametrize(
    ("parameter", "prompt", "expected"),
    [
        ("path", "Read the file notes/harbour.md please", "notes/harbour.md"),
        ("url", "Read the file at https://example.org/a.txt.", "https://example.org/a.txt"),
        ("email", "Read the file of ann@example.org", "ann@example.org"),
        ("query", "Read in the file what it says on durable execution", "says durable execution"),
        ("case_number", "Read the file of case A-17, please", "A-17"),
    ],
)
async def test_a_parameter_gets_a_word_of_its_own_shape(model, parameter, prompt, expected):
    seen = []
    schema = {"type": "object", "properties": {parameter: {"type": "string"}}, "required": [parameter]}

    async def read(**arguments) -> str:
        seen.append(arguments)
        return "read"

    agent = Agent(model, tools=[Tool.from_schema(read, name="read_file", description=None, json_schema=schema)])
    await agent.run(prompt)

    assert seen == [{parameter: expected}]


async def test_nested_arguments_and_unions_are_filled(agent):
    class Address(BaseModel):
        street: str
        number: int

    @agent.tool_plain
    def ship_parcel(to: Address, weights: list[float], note: str | None = None) -> str:
        assert isinstance(to, Address)
        return f"{to.street} {to.number} {weights} {note}"

    result = await agent.run('Ship the parcel to "Harbour Road" 5, weights 1.5 and 2.25')

    assert result.output == "ship_parcel returned: Harbour Road 5 [1.5, 2.25] None"


# -- output types


@pytest.mark.parametrize("wanted", [Report, NativeOutput(Report), PromptedOutput(Report)])
async def test_a_structured_output_is_filled_from_what_the_tools_returned(model, wanted):
    agent = Agent(model, output_type=wanted)

    @agent.tool_plain
    def read_harbour_list() -> str:
        return LONG

    result = await agent.run("Read the harbour list")

    assert isinstance(result.output, Report)
    assert "granite" in result.output.summary
    assert "breakwater" in result.output.topics
    assert [part.tool_name for part in returns(result) if part.tool_name.startswith("read")] == ["read_harbour_list"]


async def test_the_first_output_that_can_be_filled_is_taken(model):
    result = await Agent(model, output_type=[Score, Report]).run(LONG)

    assert isinstance(result.output, Report)


async def test_an_output_that_no_text_holds_is_refused_by_the_name_of_its_field(model):
    with pytest.raises(ModelUnusable, match="offline:extractive cannot know the field 'score'"):
        await Agent(model, output_type=Score).run(LONG)


# -- honesty, usage, streams


async def test_every_response_says_that_no_language_model_answered(agent):
    @agent.tool_plain
    def find_order(order_id: str) -> str:
        return "on its way"

    result = await agent.run("Where is order 4711?")

    responses = [message for message in result.all_messages() if isinstance(message, ModelResponse)]
    assert len(responses) == 2
    assert {(one.provider_name, one.model_name) for one in responses} == {("offline", "extractive")}
    assert all(one.provider_details == {"notice": NOTICE} for one in responses)
    assert [one.finish_reason for one in responses] == ["tool_call", "stop"]


async def test_tokens_are_counted_cost_nothing_and_grow_with_the_conversation(agent):
    first = await agent.run("The harbour was built in 1911, says the plate at its gate.")
    second = await agent.run("And the second one?", message_history=first.all_messages())

    assert first.usage.input_tokens > 10
    assert first.usage.output_tokens > 10
    assert second.usage.input_tokens > first.usage.input_tokens
    assert first.usage.cost == 0


async def test_the_same_messages_have_the_same_response(model):
    answers = set()
    for _ in range(3):
        agent = Agent(model)

        @agent.tool_plain
        def count_boats(harbour: str) -> str:
            return f"Three in {harbour}"

        result = await agent.run("Count the boats in Ostend")
        answers.add((result.output, tuple(call.tool_call_id for call in calls(result))))

    assert len(answers) == 1


async def test_a_stream_comes_in_small_pieces_and_ends_like_the_whole_answer(agent, model):
    @agent.tool_plain
    def find_order(order_id: str) -> str:
        return f"Order {order_id} left the warehouse on Monday\nand waits in the harbour."

    whole = await agent.run("Where is order 4711?")
    async with agent.run_stream("Where is order 4711?") as streamed:
        pieces = [piece async for piece in streamed.stream_text(delta=True, debounce_by=None)]

    assert "".join(pieces) == whole.output
    assert len(pieces) >= 4
    assert max(len(piece.split()) for piece in pieces) <= 3
    assert streamed.response.finish_reason == "stop"
    assert streamed.response.provider_details == {"notice": NOTICE}
    assert streamed.usage == whole.usage


async def test_events_of_a_stream_reach_an_agents_handler(agent):
    texts = []

    async def handle(_, events):
        async for event in events:
            if isinstance(event, PartStartEvent) and isinstance(event.part, TextPart):
                texts.append(event.part.content)
            elif isinstance(event, PartDeltaEvent) and isinstance(event.delta, TextPartDelta):
                texts.append(event.delta.content_delta)

    result = await agent.run("The harbour was built in 1911, says the plate.", event_stream_handler=handle)

    assert "".join(texts) == result.output
    assert len(texts) >= 3


async def test_an_answer_takes_the_latency_that_is_set(monkeypatch):
    slept = []

    async def sleep(seconds):
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    await Agent(build_rehearsal(Settings(offline_latency=0.7))).run("The harbour was built in 1911.")

    assert slept == [0.7]

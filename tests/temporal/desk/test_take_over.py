"""A person in an agent's place."""

import pytest
from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from engines import fresh, until
from outlive import App, Durable
from outlive.contracts.agents import AgentInput
from outlive.errors import HandOffError
from outlive.runs import Conversation
from temporal.agents.conftest import serving


def echoing(name: str) -> tuple[Agent, list[str]]:
    """An agent that says what it hears, and how often it was asked."""
    heard: list[str] = []

    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        heard.append(str(messages[-1].parts[-1].content))
        return ModelResponse(parts=[TextPart(f"agent: {heard[-1]}")])

    return Agent(FunctionModel(answer), name=name, capabilities=[Durable()]), heard


async def test_a_person_speaks_in_the_agents_place_and_hands_it_back(settings):
    name = fresh("echo")
    agent, heard = echoing(name)
    app = App("test", agents=[agent])
    async with serving(app, settings) as client:
        talk = await client.conversation(agent, conversation_id="c")
        await talk.ask("one")
        await client.desk.take(f"{name}/c", by="ada")
        turn = await talk.say("two")
        later = await talk.say("three")
        with pytest.raises(HandOffError, match="ada has taken"):
            await client.desk.speak(f"{name}/c", "me", by="bob")
    async with serving(app, settings) as client:  # what the person has stays theirs when the worker dies
        talk = await client.conversation(agent, conversation_id="c")
        await client.desk.speak(f"{name}/c", "I am here", by="ada", speech_id="s")
        await client.desk.speak(f"{name}/c", "I am here", by="ada", speech_id="s")
        spoken = await talk.reply(turn)
        await client.desk.hand_back(f"{name}/c", by="ada")
        answered = await talk.reply(later)
        await talk.close()
        result = await talk.result()
        ended = [event async for event in talk.events() if event.kind == "turn_ended"]

    assert (spoken, answered) == ("I am here", "agent: three")
    assert heard == ["one", "three"]
    assert [event.data.get("by") for event in ended] == [None, "ada", None]
    texts = [part.content for message in result.messages for part in message.parts]
    assert texts == ["one", "agent: one", "two", "I am here", "three", "agent: three"]
    assert result.messages[3].model_name == "person:ada"


async def test_what_a_person_says_unasked_is_a_turn_of_its_own(served):
    name = fresh("echo")
    agent, heard = echoing(name)
    client = await served(App("test", agents=[agent]))
    talk = await client.conversation(agent, conversation_id="c")
    with pytest.raises(HandOffError, match="take it first"):
        await client.desk.speak(f"{name}/c", "hello", by="ada")
    await client.desk.take(f"{name}/c", by="ada")
    await client.desk.speak(f"{name}/c", "hello", by="ada")
    said = await talk.reply(1)
    await client.desk.hand_back(f"{name}/c", by="ada")
    answer = await talk.ask("yes?")
    await talk.close()

    assert (said, answer) == ("hello", "agent: yes?")
    assert heard == ["yes?"]


async def test_taken_over_in_the_middle_of_a_turn_the_agent_makes_no_further_model_call(served):
    name = fresh("worker")
    asked: list[int] = []

    def answer(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
        asked.append(len(messages))
        returned = any(isinstance(part, ToolReturnPart) for message in messages for part in message.parts)
        return ModelResponse(parts=[TextPart("agent")] if returned else [ToolCallPart("look", {})])

    agent = Agent(FunctionModel(answer), name=name, capabilities=[Durable()])
    going = []

    @agent.tool_plain
    async def look() -> str:
        """Look."""
        going.append(True)
        await until(lambda: len(going) > 1, "it may go on")
        return "seen"

    client = await served(App("test", agents=[agent]))
    talk = await client.conversation(agent, conversation_id="c")
    turn = await talk.say("Look")
    await until(lambda: bool(going), "the tool is at work")
    await client.desk.take(f"{name}/c", by="ada")
    going.append(True)
    await client.desk.speak(f"{name}/c", "I looked myself", by="ada")
    said = await talk.reply(turn)
    await client.desk.hand_back(f"{name}/c", by="ada")
    await talk.close()
    result = await talk.result()

    assert said == "I looked myself"
    assert len(asked) == 1
    assert [part.part_kind for message in result.messages for part in message.parts] == [
        "user-prompt",
        "tool-call",
        "tool-return",
        "text",
    ]


async def test_a_conversation_that_is_taken_over_stays_so_when_it_continues_as_new(served):

    name = fresh("echo")
    agent, heard = echoing(name)
    client = await served(App("test", agents=[agent]))
    start = AgentInput(agent=name, is_conversation=True, events_per_run=30)
    await client._start(f"agent/{name}/c", start, summary="short")
    talk = Conversation(client, f"agent/{name}/c")
    await client.desk.take(f"{name}/c", by="ada")
    for number in range(8):
        turn = await talk.say(f"{number}")
        await client.desk.speak(f"{name}/c", f"ada {number}", by="ada")
        assert await talk.reply(turn) == f"ada {number}"
    temporal = await client.temporal()
    runs = [run async for run in temporal.list_workflows(f'WorkflowId = "agent/{name}/c"')]
    await client.desk.hand_back(f"{name}/c", by="ada")
    await talk.close()

    assert len(runs) > 1
    assert heard == []


async def test_a_run_that_is_no_conversation_cannot_be_taken_over(served):
    name = fresh("echo")
    agent, _ = echoing(name)
    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "one", run_id="r")
    await handle.result()

    with pytest.raises(HandOffError, match="has ended"):
        await client.desk.take(f"{name}/r", by="ada")

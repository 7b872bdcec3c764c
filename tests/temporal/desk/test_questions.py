"""Questions that only a person can answer."""

import json
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.capabilities import RequestInput
from pydantic_ai.exceptions import CallDeferred
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.toolsets import ExternalToolset

from engines import fresh
from outlive import App, Durable
from outlive.errors import HandOffError
from temporal.desk.people import calling, waiting


async def test_a_question_of_a_tool_waits_and_its_answer_has_the_type_that_was_asked_for(served):
    name = fresh("asker")
    agent = Agent(calling(("ask_user", {"question": "How many?"})), name=name, capabilities=[Durable()])

    @agent.tool_plain
    def ask_user(question: str) -> int:
        """Ask."""
        raise CallDeferred(kind="question", metadata={"schema": {"type": "integer", "minimum": 1}})

    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Ask")
    (asked,) = await waiting(client, name)
    for bad in ("many", 0, None):
        with pytest.raises(HandOffError, match="does not fit"):
            await client.desk.decide(asked.id, "answer", value=bad, by="ada")
    await client.desk.decide(asked.id, "answer", value=3, by="ada")
    result = await handle.result()

    assert (asked.kind, asked.reason) == ("question", "How many?")
    assert json.loads(result.output) == [3]


async def test_a_tool_whose_result_comes_from_outside_waits_for_it(served):
    name = fresh("asker")
    tool = ToolDefinition(name="weigh", parameters_json_schema={"type": "object", "properties": {}})
    agent = Agent(
        calling(("weigh", {})), name=name, toolsets=[ExternalToolset([tool], id="x")], capabilities=[Durable()]
    )
    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Weigh")
    (asked,) = await waiting(client, name, kind="question")
    with pytest.raises(HandOffError, match="answer is missing"):
        await client.desk.decide(asked.id, "answer", by="ada")
    await client.desk.decide(asked.id, "answer", value={"kg": 3}, by="ada")
    result = await handle.result()

    assert json.loads(result.output) == [{"kg": 3}]


async def test_a_question_that_cannot_be_answered_is_told_to_the_model(served):
    name = fresh("asker")
    agent = Agent(calling(("ask_user", {"question": "Why?"})), name=name, capabilities=[Durable()])

    @agent.tool_plain
    def ask_user(question: str) -> str:
        """Ask."""
        raise CallDeferred(kind="question")

    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Ask")
    (asked,) = await waiting(client, name)
    await client.desk.decide(asked.id, "tell", by="ada", note="nobody knows")
    result = await handle.result()

    assert "nobody knows" in result.output


async def test_an_agent_with_request_input_waits_at_the_desk(served):
    name = fresh("asker")

    def ask(*_: Any) -> None:
        raise AssertionError("asking is for the app, not for code that is replayed")

    agent = Agent(calling(("pay", {"amount": 1})), name=name, capabilities=[RequestInput(ask=ask), Durable()])

    @agent.tool_plain(requires_approval=True)
    def pay(amount: int) -> str:
        """Pay."""
        return "paid"

    client = await served(App("test", agents=[agent]))
    handle = await client.start_run(agent, "Pay")
    (asked,) = await waiting(client, name)
    await client.desk.decide(asked.id, "approve", by="ada")
    result = await handle.result()

    assert json.loads(result.output) == ["paid"]

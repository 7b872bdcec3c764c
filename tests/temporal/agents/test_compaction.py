"""Conversations that fill the model's context."""

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage

from outlive import App, Compaction, Durable
from outlive.contracts.events import EventKind


async def test_a_conversation_that_fills_the_context_is_summarised_and_goes_on(served):
    summarised = []

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        text = str(messages)
        if not info.function_tools:
            summarised.append(len(text))
            return ModelResponse(parts=[TextPart("THE SUMMARY")])
        returned = sum(isinstance(part, ToolReturnPart) for message in messages for part in message.parts)
        parts = [TextPart("done")] if "saw 30" in text else [ToolCallPart("look", {"number": returned})]
        return ModelResponse(parts=parts, usage=RequestUsage(input_tokens=len(messages) * 100, output_tokens=1))

    agent = Agent(
        FunctionModel(answer), name="full", capabilities=[Durable(), Compaction(context_tokens=2_000, keep=4)]
    )
    looked = []

    @agent.tool_plain
    def look(number: int) -> str:
        """Look."""
        looked.append(number)
        return f"saw {len(looked)}"

    client = await served(App("test", agents=[agent]))

    handle = await client.start_run(agent, "Look around")
    result = await handle.result()
    kinds = [event.kind async for event in handle.events()]

    first = result.messages[0].parts[0]
    assert result.output == "done"
    assert len(looked) == 30
    assert isinstance(first, UserPromptPart)
    assert "THE SUMMARY" in str(first.content)
    assert len(result.messages) < 20
    assert len(summarised) == kinds.count(EventKind.COMPACTED) > 1

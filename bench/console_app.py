"""The agent whose runs `console_browser.py` looks at: it calls its tool as often as it is told to, many at a time."""

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.usage import RequestUsage

from agent_app import look
from outlive import App, Durable


def walking(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
    """Call the tool as often as the last prompt, ``CALLS AT_A_TIME SIZE``, says."""
    prompts = [
        (place, part)
        for place, message in enumerate(messages)
        for part in message.parts
        if isinstance(part, UserPromptPart)
    ]
    begun, said = prompts[-1]
    calls, at_a_time, size = map(int, str(said.content).split())
    first = (len(messages) - begun) // 2 * at_a_time
    numbers = range(first, min(first + at_a_time, calls))
    asked = [ToolCallPart("look", {"number": at, "size": size}, tool_call_id=f"c{begun}-{at}") for at in numbers]
    parts = asked or [TextPart(f"Looked {calls} times.")]
    return ModelResponse(parts=parts, usage=RequestUsage(input_tokens=1, output_tokens=1))


walker = Agent(FunctionModel(walking, model_name="walking"), name="walker", capabilities=[Durable()])
walker.tool_plain(look)
app = App("bench-console", agents=[walker])

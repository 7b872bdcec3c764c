"""The agent whose runs `console_browser.py` looks at: in each turn it calls its tool as often as it is told to."""

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, UserPromptPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from agent_app import look, say
from outlive import App, Durable


def walking(messages: list[ModelMessage], _: AgentInfo) -> ModelResponse:
    """Call the tool as often as the last prompt, ``CALLS SIZE``, says."""
    prompts = [
        (place, part)
        for place, message in enumerate(messages)
        for part in message.parts
        if isinstance(part, UserPromptPart)
    ]
    begun, said = prompts[-1]
    calls, size = map(int, str(said.content).split())
    number = (len(messages) - begun) // 2
    if number == calls:
        return say(TextPart(f"Looked {calls} times."))
    return say(ToolCallPart("look", {"number": number, "size": size}, tool_call_id=f"c{begun}-{number}"))


walker = Agent(FunctionModel(walking, model_name="walking"), name="walker", capabilities=[Durable()])
walker.tool_plain(sequential=True)(look)
app = App("bench-console", agents=[walker])

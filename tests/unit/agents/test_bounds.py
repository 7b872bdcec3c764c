from pydantic_ai.messages import (
    ImageUrl,
    ModelMessage,
    ModelRequest,
    ModelResponse,
    TextPart,
    UserPromptPart,
)
from pydantic_ai.models import ModelRequestParameters
from pydantic_ai.models.test import TestModel
from pydantic_ai.tools import ToolDefinition
from pydantic_ai.usage import RequestUsage

from outlive.agents.bounds import FILE_TOKENS, most_input_tokens

NO_PARAMETERS = ModelRequestParameters()
MODEL = TestModel(model_name="small")


def asked(text: str) -> ModelRequest:
    return ModelRequest(parts=[UserPromptPart(text)])


def answered(model: str, tokens: int) -> ModelResponse:
    usage = RequestUsage(input_tokens=tokens, output_tokens=5)
    return ModelResponse(parts=[TextPart("yes")], usage=usage, model_name=model)


def test_a_token_has_at_least_one_byte():
    short, long = (most_input_tokens(MODEL, [asked("x" * size)], NO_PARAMETERS) for size in (1, 5_001))

    assert long - short == 5_000
    assert most_input_tokens(MODEL, [asked("é" * 100)], NO_PARAMETERS) >= 200


def test_what_the_model_has_counted_of_a_conversation_is_taken_as_counted():
    messages: list[ModelMessage] = [asked("x" * 50_000), answered("small-2026", 9_000), asked("and?")]

    assert 9_005 < most_input_tokens(MODEL, messages, NO_PARAMETERS) < 11_000


def test_what_another_model_has_counted_is_not():
    messages: list[ModelMessage] = [asked("x" * 50_000), answered("large", 9_000), asked("and?")]

    assert most_input_tokens(MODEL, messages, NO_PARAMETERS) > 50_000


def test_tools_and_files_count():
    tool = ToolDefinition(name="act", description="d" * 3_000)
    bare = most_input_tokens(MODEL, [asked("x")], NO_PARAMETERS)
    picture = ModelRequest(parts=[UserPromptPart(["x", ImageUrl("https://example.com/a.png")])])

    assert most_input_tokens(MODEL, [asked("x")], ModelRequestParameters(function_tools=[tool])) > bare + 3_000
    assert most_input_tokens(MODEL, [picture], NO_PARAMETERS) > bare + FILE_TOKENS

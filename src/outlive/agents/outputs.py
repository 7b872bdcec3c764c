"""Types of outputs and dependencies as JSON, so that callers get what the agent's declaration says."""

import inspect
import typing
from collections.abc import Sequence
from functools import reduce
from operator import or_
from typing import Any

from pydantic import TypeAdapter
from pydantic_ai import Agent, AgentRunResult, NativeOutput, PromptedOutput, TextOutput, ToolOutput
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter
from pydantic_ai.output import OutputSpec
from pydantic_ai.usage import RunUsage
from pydantic_core import to_jsonable_python


def output_adapter(agent: Agent[Any, Any]) -> TypeAdapter[Any]:
    """Return the adapter for the values that an agent's runs end with."""
    return TypeAdapter(_union(_types_of(agent.output_type)))


def output_as_json(adapter: TypeAdapter[Any], value: object) -> Any:
    """Return an output as JSON values; also one that its own type does not describe."""
    try:
        return adapter.dump_python(value, mode="json", warnings="error")
    except ValueError:
        return to_jsonable_python(value)


def usage_from_json(usage: dict[str, Any] | None) -> RunUsage:
    """Return the usage that a run has had so far."""
    return RunUsage() if usage is None else TypeAdapter(RunUsage).validate_python(usage)


def usage_as_json(usage: RunUsage) -> dict[str, Any]:
    """Return a usage as JSON values."""
    values: dict[str, Any] = TypeAdapter(RunUsage).dump_python(usage, mode="json")
    return values


def as_messages(messages: Sequence[Any]) -> list[ModelMessage]:
    """Return messages as Pydantic AI's objects, also where they come as plain JSON values."""
    if any(isinstance(message, dict) for message in messages):
        return ModelMessagesTypeAdapter.validate_python(list(messages))
    return list(messages)


def as_agent_result(result: Any) -> AgentRunResult[Any]:
    """Return a `RunResult` as what Pydantic AI's own ``agent.run()`` returns."""
    given = {"output": result.output, "messages": as_messages(result.messages), "usage": usage_from_json(result.usage)}
    return TypeAdapter(AgentRunResult[Any]).validate_python(given)


def _types_of(spec: OutputSpec[Any] | Sequence[Any]) -> list[Any]:
    if isinstance(spec, NativeOutput | PromptedOutput):
        return _types_of(spec.outputs)
    if isinstance(spec, ToolOutput):
        return _types_of(spec.output)
    if isinstance(spec, TextOutput):
        return [_returned(spec.output_function)]
    if isinstance(spec, list | tuple):
        return [kind for part in spec for kind in _types_of(part)]
    if inspect.isroutine(spec):
        return [_returned(spec)]
    return [spec]


def _returned(function: Any) -> Any:
    return typing.get_type_hints(function).get("return", Any)


def _union(kinds: list[Any]) -> Any:
    return reduce(or_, kinds) if len(kinds) > 1 else kinds[0]

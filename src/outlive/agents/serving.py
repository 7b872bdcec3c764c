"""An agent as the agent workflow sees it: a turn goes in, its result comes out."""

from collections.abc import Sequence
from typing import Any

from pydantic import TypeAdapter
from pydantic.errors import PydanticUserError
from pydantic_ai import Agent
from pydantic_ai.exceptions import AgentRunError, UserError
from pydantic_ai.messages import ModelRequest, ModelResponse, TextPart, UserContent, UserPromptPart
from temporalio import workflow

from outlive.agents.durable import durable_of
from outlive.agents.host import TurnScope, TurnSpoken, turn_scope
from outlive.agents.outputs import as_messages, output_adapter, output_as_json, usage_as_json, usage_from_json
from outlive.contracts.agents import Speech, Turn, TurnResult
from outlive.errors import AppError

FAILURES: tuple[type[Exception], ...] = (AgentRunError, UserError, PydanticUserError)
"""What an agent raises when a run has failed, rather than its code."""

_CONTENT: TypeAdapter[str | list[UserContent]] = TypeAdapter(str | list[UserContent])


class Served:
    """One agent of an app, ready to be run in workflow code."""

    def __init__(self, agent: Agent[Any, Any]) -> None:
        """Take an agent.

        Raises:
            AppError: If it is not durable, or its types cannot be read.
        """
        self.agent = agent
        self.name = agent.name or ""
        durable = durable_of(agent)
        if durable is None:
            raise AppError(f"Agent {self.name!r} is not durable. Give it `capabilities=[Durable()]`.")
        self._usage_limits = durable.usage_limits
        self.outputs = output_adapter(agent)
        self.deps: TypeAdapter[Any] = TypeAdapter(agent.deps_type)

    async def run_turn(self, turn: Turn) -> TurnResult:
        """Run the agent for one turn. To be called in workflow code."""
        token = turn_scope.set(TurnScope())
        try:
            result = await self.agent.run(
                None if turn.content is None else _CONTENT.validate_python(turn.content),
                message_history=as_messages(turn.messages) or None,
                deps=None if turn.deps is None else self.deps.validate_python(turn.deps),
                model=turn.model,
                usage=usage_from_json(turn.usage),
                usage_limits=self._usage_limits,
            )
        except TurnSpoken as spoken:
            return _spoken(spoken.messages, spoken.speech, spoken.usage)
        finally:
            turn_scope.reset(token)
        return TurnResult(
            output=output_as_json(self.outputs, result.output),
            messages=result.all_messages(),
            usage=usage_as_json(result.usage),
        )

    def speak(self, turn: Turn, speech: Speech) -> TurnResult:
        """Let a person's words be what a turn ends with. To be called in workflow code."""
        messages = as_messages(turn.messages)
        if turn.content is not None:
            content = _CONTENT.validate_python(turn.content)
            messages.append(ModelRequest(parts=[UserPromptPart(content, timestamp=workflow.now())]))
        return _spoken(messages, speech, usage_as_json(usage_from_json(turn.usage)))


def _spoken(messages: Sequence[Any], speech: Speech, usage: dict[str, Any]) -> TurnResult:
    response = ModelResponse(parts=[TextPart(speech.text)], model_name=f"person:{speech.by}", timestamp=workflow.now())
    return TurnResult(output=speech.text, messages=[*messages, response], usage=usage, by=speech.by)

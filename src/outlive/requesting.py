"""What starting a run needs: an id where none is given, its argument, and what tells one request from another."""

import datetime as dt
import hashlib
import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from outlive.contracts.agents import AgentInput, AgentMessage
from outlive.contracts.budgets import Budget
from outlive.errors import UsageError

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError
    from pydantic_ai import Agent


def made_up_id() -> str:
    """Return an id of the shape ``1125-0412-7f3a9c``: when, and what tells it from others of the same minute."""
    return f"{dt.datetime.now(tz=dt.UTC).astimezone():%m%d-%H%M}-{uuid.uuid4().hex[:6]}"


def as_json(prompt: Any) -> Any:
    """Return what an agent is asked as JSON."""
    if isinstance(prompt, str):
        return prompt
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(prompt)


def outputs_of(agent: "Agent[Any, Any] | None") -> "TypeAdapter[Any] | None":
    """Return what reads the outputs of an agent; None where it is not known."""
    if agent is None:
        return None
    from outlive.agents.outputs import output_adapter

    return output_adapter(agent)


def deps_of(agent: "Agent[Any, Any]", value: Any) -> Any:
    """Return dependencies that were given as JSON as a value of the agent's ``deps_type``.

    Raises:
        UsageError: If they are none.
    """
    if value is None:
        return None
    from pydantic import TypeAdapter, ValidationError

    kind: Any = agent.deps_type
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise UsageError(f"The dependencies are no JSON of {misfit(kind, error)}. Mend them.") from error


def misfit(kind: Any, error: "ValidationError") -> str:
    """Return what a value is not, and the first reason why."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    where = f" at {place!r}" if place else ""
    return f"{getattr(kind, '__name__', kind)}: {first['msg']}{where}"


def agent_input(
    agent: "Agent[Any, Any]",
    workflow_id: str,
    *,
    prompt: Any = None,
    deps: Any = None,
    model: str | None = None,
    messages: Sequence[Any] = (),
    budget: Budget | None = None,
    tenant: str | None = None,
    is_conversation: bool = False,
) -> AgentInput:
    """Return the argument with which a run of an agent is started.

    Args:
        prompt: What it is asked first; a conversation begins without.
        deps: A value of the agent's ``deps_type``.
    """
    from outlive.agents.durable import payers_of_run

    return AgentInput(
        agent=agent.name or "",
        model=model,
        deps=_deps_as_json(agent, deps),
        is_conversation=is_conversation,
        inbox=[] if is_conversation else [AgentMessage(message_id="start", content=as_json(prompt))],
        messages=list(messages),
        budgets=payers_of_run(agent, workflow_id, budget, tenant),
    )


def _deps_as_json(agent: "Agent[Any, Any]", deps: Any) -> Any:
    if deps is None:
        return None
    from pydantic import TypeAdapter

    adapter: TypeAdapter[Any] = TypeAdapter(agent.deps_type)
    return adapter.dump_python(deps, mode="json")


def request_digest(request: AgentInput) -> str:
    """Return what tells one request from another under the same id."""
    from pydantic_core import to_json

    decisive = (request.agent, request.model, request.deps, request.is_conversation, len(request.messages))
    said = [message.content for message in request.inbox]
    return hashlib.sha256(to_json([*decisive, said])).hexdigest()[:32]

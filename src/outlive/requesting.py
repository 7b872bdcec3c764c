"""What starting a run needs: an id where none is given, JSON, and what tells one request from another."""

import datetime as dt
import hashlib
import uuid
from typing import TYPE_CHECKING, Any

from outlive.contracts.agents import AgentInput

if TYPE_CHECKING:
    from pydantic import TypeAdapter
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


def request_digest(request: AgentInput) -> str:
    """Return what tells one request from another under the same id."""
    from pydantic_core import to_json

    decisive = (request.agent, request.model, request.deps, request.is_conversation, len(request.messages))
    said = [message.content for message in request.inbox]
    return hashlib.sha256(to_json([*decisive, said])).hexdigest()[:32]

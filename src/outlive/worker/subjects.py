"""What an activity of Pydantic AI's is about: a call of a model, or of a tool with its arguments and its policy."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from outlive.agents.options import ToolTreatment
from outlive.effects.declaring import Policy

MODEL_SUFFIXES = ("__model_request", "__model_request_stream", "__model_compact_messages")
TOOL_SUFFIX = "__call_tool"
PLAIN_VERDICTS = ("", "tool_return", "tool_content_result")
SHOWN = 2_000  # characters of arguments and results in an event; the whole is in the history


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What an activity is about.

    Attributes:
        kind: ``model``, ``tool`` or ``other``.
        name: Of the tool, or of the activity.
        digest: Stands for the arguments that decide the result.
        shown: What readers are told of it.
        args: Of a tool.
        treatment: As the tool is declared.
    """

    kind: str
    name: str
    digest: str
    shown: dict[str, Any]
    args: Any = None
    treatment: ToolTreatment | None = None

    @property
    def policy(self) -> Policy | None:
        """As declared; None for what declares no effect."""
        return Policy(self.treatment.policy) if self.treatment and self.treatment.policy else None


def subject_of(activity_type: str, arguments: Sequence[Any]) -> Subject:
    """Read off an activity of Pydantic AI's what it is about."""
    params = arguments[0] if arguments else None
    if activity_type.endswith(MODEL_SUFFIXES):
        messages = getattr(params, "messages", [])
        digest = _digest([len(messages), messages[-1:], getattr(params, "model_id", None)])
        name = activity_type.rpartition("__")[2]
        return Subject(kind="model", name=name, digest=digest, shown={"messages": len(messages)})
    tool = getattr(params, "name", None)
    if activity_type.endswith(TOOL_SUFFIX) and isinstance(tool, str):
        given = getattr(params, "tool_args", {})
        definition = getattr(params, "tool_def", None)
        treatment = ToolTreatment.of(getattr(definition, "metadata", None))
        shown = {"tool": tool, "args": _short(given)}
        return Subject(kind="tool", name=tool, digest=_digest(given), shown=shown, args=given, treatment=treatment)
    return Subject(kind="other", name=activity_type.rpartition("__")[2], digest="", shown={})


def _digest(value: object) -> str:
    return hashlib.sha256(to_json(value, fallback=repr)).hexdigest()


def _short(value: object) -> Any:
    """Return a value for readers; one that is large as the beginning of its JSON."""
    text = to_json(value, fallback=repr).decode()
    return json.loads(text) if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def shown_result(subject: Subject, result: object) -> dict[str, Any]:
    """Return what readers are told of a result."""
    if subject.kind != "tool":
        return {}
    verdict = getattr(result, "kind", "")  # of Pydantic AI: what the tool has made of the call
    if verdict in PLAIN_VERDICTS or not hasattr(result, "message"):
        return {"result": _short(getattr(result, "result", result))}
    return {"result": _short(result.message), "verdict": verdict}

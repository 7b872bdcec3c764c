"""What an activity is about: a call of a model, or of a tool or an effect with its arguments and its policy."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_core import to_json

from outlive.agents.options import ToolTreatment
from outlive.contracts.plans import EffectCall
from outlive.effects.declaring import Policy

MODEL_SUFFIXES = ("__model_request", "__model_request_stream", "__model_compact_messages")
TOOL_SUFFIX = "__call_tool"
ACTING = frozenset({"tool", "effect", "undo"})
PLAIN_VERDICTS = ("", "tool_return", "tool_content_result")
SHOWN = 2_000  # characters of arguments and results in an event; the whole is in the history


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What an activity is about.

    Attributes:
        kind: ``model``, ``tool``, ``effect`` (of a plan), ``undo`` or ``other``.
        name: Of the tool, the effect or the activity.
        digest: Stands for the arguments that decide the result.
        shown: What readers are told of it.
        args: Of a tool or an effect.
        treatment: As it is declared.
        effect_key: What the ledger is to know it by, where that is said.
        is_shadow: Whether it is only to be recorded.
    """

    kind: str
    name: str
    digest: str
    shown: dict[str, Any]
    args: Any = None
    treatment: ToolTreatment | None = None
    effect_key: str | None = None
    is_shadow: bool = False

    @property
    def acts(self) -> bool:
        """Whether it may change the world, or be asked to: a tool, an effect, or the undoing of one."""
        return self.kind in ACTING

    @property
    def policy(self) -> Policy | None:
        """As declared; None for what declares no effect."""
        return Policy(self.treatment.policy) if self.treatment and self.treatment.policy else None


def subject_of(activity_type: str, arguments: Sequence[Any]) -> Subject:
    """Read off an activity what it is about."""
    params = arguments[0] if arguments else None
    if isinstance(params, EffectCall):
        return Subject(
            kind="undo" if params.undoes else "effect",
            name=params.name,
            digest=_digest(params.args),
            shown={"tool": params.name, "args": _short(params.args or {"undoes": params.undoes})},
            args=params.args or {"undoes": params.undoes},
            treatment=ToolTreatment.of(params.options),
            effect_key=params.effect_key,
            is_shadow=params.is_shadow,
        )
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
    if not subject.acts:
        return {}
    verdict = getattr(result, "kind", "")  # of Pydantic AI: what the tool has made of the call
    if verdict in PLAIN_VERDICTS or not hasattr(result, "message"):
        return {"result": _short(getattr(result, "result", result))}
    return {"result": _short(result.message), "verdict": verdict}

"""What follows when a tool has failed for good, or when nobody knows whether it had its effect."""

from dataclasses import dataclass
from typing import Any, Self

from pydantic_ai.tools import ToolDefinition
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError

from outlive.agents.host import RunHost
from outlive.agents.options import ToolTreatment
from outlive.contracts.agents import Choice, Decision, HandOffKind
from outlive.contracts.effects import SettleEffect
from outlive.contracts.hand_offs import HandOffPolicy
from outlive.names import OUTCOME_UNKNOWN
from outlive.workflows import calls

_VERDICTS = {Choice.DONE: "done", Choice.RETRY: "retry", Choice.TELL: "failed"}


@dataclass(frozen=True, kw_only=True)
class ToolFailure:
    """Why a call of a tool ended without a result.

    Attributes:
        tool: Its name.
        message: What a model, or a person, reads of it.
        effect_key: What the ledger knows the call by; None where it never came that far.
        is_unknown: Whether it may have had its effect all the same.
    """

    tool: str
    message: str
    effect_key: str | None = None
    is_unknown: bool = False

    @classmethod
    def of(cls, tool: str, error: Exception) -> Self:
        """Read it off what a tool call raised in workflow code."""
        cause: BaseException = error
        while isinstance(cause, ActivityError | ChildWorkflowError) and cause.cause is not None:
            cause = cause.cause
        kind = cause.type if isinstance(cause, ApplicationError) and cause.type else type(cause).__name__
        said = cause.message if isinstance(cause, ApplicationError) else str(cause)
        is_unknown = kind == OUTCOME_UNKNOWN
        told = said if is_unknown or kind in said else f"{kind}: {said}"
        return cls(
            tool=tool,
            message=f"Nobody knows whether the tool {tool!r} had its effect: {told}"
            if is_unknown
            else f"The tool {tool!r} failed: {told}",
            effect_key=_key_in(cause.details) if isinstance(cause, ApplicationError) else None,
            is_unknown=is_unknown,
        )


async def gives_up(
    host: RunHost,
    tool_def: ToolDefinition,
    args: dict[str, Any],
    failure: ToolFailure,
    *,
    policy: HandOffPolicy | None = None,
) -> bool:
    """Whether a call stays failed, so that the model is told; asks a person where only a person can say."""
    if failure.is_unknown:
        decision = await _ask(host, args, failure, [*_VERDICTS, Choice.STOP], policy)
    elif ToolTreatment.of(tool_def.metadata).on_failure == "park":
        choices = [Choice.RETRY, Choice.TELL, Choice.STOP]
        decision = await _ask(host, args, failure, choices, policy)
    else:
        return True
    choice = Choice(decision.choice)
    if failure.effect_key is not None:
        verdict = _VERDICTS[choice]
        await calls.settle_effect(
            SettleEffect(effect_key=failure.effect_key, verdict=verdict, value=decision.value, by=decision.by)
        )
    return choice is Choice.TELL


async def _ask(
    host: RunHost, args: dict[str, Any], failure: ToolFailure, choices: list[Choice], policy: HandOffPolicy | None
) -> Decision:
    kind = HandOffKind.UNKNOWN if failure.is_unknown else HandOffKind.TOOL_FAILED
    about = {"tool": failure.tool, "args": args, "effect_key": failure.effect_key}
    return await host.ask(failure.message, choices=choices, subject=failure.tool, kind=kind, about=about, policy=policy)


def _key_in(details: Any) -> str | None:
    for detail in reversed(list(details)):
        if isinstance(detail, dict) and isinstance(detail.get("effect_key"), str):
            return str(detail["effect_key"])
    return None

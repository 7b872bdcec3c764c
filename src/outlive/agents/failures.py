"""What follows when a tool has failed for good, or when nobody knows whether it had its effect."""

from typing import Any

from pydantic_ai.tools import ToolDefinition

from outlive.agents.host import RunHost
from outlive.agents.options import ToolTreatment
from outlive.contracts.agents import Choice, Decision, HandOffKind
from outlive.contracts.effects import SettleEffect
from outlive.contracts.hand_offs import HandOffPolicy
from outlive.workflows import calls
from outlive.workflows.failures import CallFailure

_VERDICTS = {Choice.DONE: "done", Choice.RETRY: "retry", Choice.TELL: "failed"}


async def gives_up(
    host: RunHost,
    tool_def: ToolDefinition,
    args: dict[str, Any],
    failure: CallFailure,
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
    host: RunHost, args: dict[str, Any], failure: CallFailure, choices: list[Choice], policy: HandOffPolicy | None
) -> Decision:
    kind = HandOffKind.UNKNOWN if failure.is_unknown else HandOffKind.TOOL_FAILED
    about = {"tool": failure.name, "args": args, "effect_key": failure.effect_key}
    return await host.ask(failure.message, choices=choices, subject=failure.name, kind=kind, about=about, policy=policy)

"""Making one effect in workflow code: until it is done, or given up by its declaration or a person."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ActivityError, ApplicationError, is_cancelled_exception

from outlive.contracts.agents import Choice, Decision, HandOffKind
from outlive.contracts.effects import SettleEffect
from outlive.contracts.plans import EffectCall
from outlive.errors import EffectFailed
from outlive.workflows import calls
from outlive.workflows.failures import CallFailure
from outlive.workflows.handoff import HandOffs

RUN_STOPPED = "RunStopped"
LONGEST_SUMMARY = 150  # characters; Temporal takes 200 bytes

_VERDICTS: Mapping[str, str] = {
    Choice.DONE: "done",
    Choice.RETRY: "retry",
    Choice.TELL: "failed",
    Choice.SKIP: "failed",
}


async def make_effect(call: EffectCall, hand_offs: HandOffs, *, summary: str = "") -> Any:
    """Make an effect, and return its result as JSON.

    Where nobody knows whether it happened, a person says; where it has failed for good, it parks if it is declared so.

    Raises:
        EffectFailed: If it failed for good, or a person decided that it did.
        ApplicationError: Of the type ``RunStopped``, if a person decided that the run is to end.
    """
    told = (summary or call.name)[:LONGEST_SUMMARY]
    while True:
        try:
            return await calls.make_effect(call, summary=told)
        except ActivityError as error:
            if is_cancelled_exception(error):
                raise
            failure = CallFailure.of(call.name, error, what="undo of" if call.undoes else "effect")
        choice = await _decided(call, failure, hand_offs)
        if choice in {Choice.TELL, Choice.SKIP}:
            raise EffectFailed(failure.message, effect=call.name, effect_key=failure.effect_key)
        call = replace(call, effect_key=failure.effect_key or call.effect_key)


async def _decided(call: EffectCall, failure: CallFailure, hand_offs: HandOffs) -> Choice:
    """Return what follows a failure: what its declaration says, or a person."""
    given_up = Choice.SKIP if call.undoes else Choice.TELL
    parks = call.undoes or (call.options.get("outlive") or {}).get("on_failure") == "park"
    if not failure.is_unknown and not parks:
        return given_up
    choices = [Choice.RETRY, given_up, Choice.STOP]
    about = {"tool": call.name, "effect_key": failure.effect_key}
    decision = await hand_offs.ask(
        failure.message,
        choices=[Choice.DONE, *choices] if failure.is_unknown else choices,
        subject=call.name,
        kind=HandOffKind.UNKNOWN if failure.is_unknown else HandOffKind.TOOL_FAILED,
        about=about | ({"undoes": call.undoes} if call.undoes else {"args": call.args}),
    )
    return await _settled(failure, decision)


async def _settled(failure: CallFailure, decision: Decision) -> Choice:
    choice = Choice(decision.choice)
    if choice is Choice.STOP:
        raise stopped(failure.message)
    if failure.effect_key is not None:
        settled = SettleEffect(
            effect_key=failure.effect_key, verdict=_VERDICTS[choice], value=decision.value, by=decision.by
        )
        await calls.settle_effect(settled)
    return choice


def stopped(why: str) -> ApplicationError:
    """Return what ends a run because a person said so."""
    return ApplicationError(f"Stopped by decision. It waited because: {why}", type=RUN_STOPPED, non_retryable=True)


def is_history_full(limit: int) -> bool:
    """Whether this run must continue as new, or come to an end, before it begins more."""
    info = workflow.info()
    return info.get_current_history_length() >= limit or info.is_continue_as_new_suggested()

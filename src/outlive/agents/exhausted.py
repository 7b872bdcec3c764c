"""What follows when a budget does not pay for a call: a person decides, and the run goes on from there."""

from dataclasses import replace
from functools import partial
from typing import Any

from pydantic_ai.messages import InstructionPart
from pydantic_ai.models import ModelRequestContext
from pydantic_ai.settings import ModelSettings
from temporalio.exceptions import ActivityError, ApplicationError

from outlive.agents.host import RunHost
from outlive.agents.spending import LAST_OUTPUT_TOKENS
from outlive.contracts.agents import Choice, Decision, HandOffKind
from outlive.contracts.budgets import Budget
from outlive.names import BUDGET_EXHAUSTED
from outlive.workflows.money import fault_in

LAST_WORDS = (
    "The budget for this work is used up. Do not call any more tools. Give your final answer now, briefly, with what "
    "you have so far, and say what is missing in it."
)


def refusal(error: Exception) -> ApplicationError | None:
    """Return why no budget pays for a call; None for another error."""
    cause = error.cause if isinstance(error, ActivityError) else error
    return cause if isinstance(cause, ApplicationError) and cause.type == BUDGET_EXHAUSTED else None


async def decide(host: RunHost, refused: ApplicationError) -> bool:
    """Ask a person, unless the budget was changed meanwhile, and do what they decide.

    Returns:
        Whether the run goes on with another model.
    """
    about: dict[str, Any] = dict(refused.details[0]) if refused.details else {}
    key, said = str(about.get("budget", "")), refused.message.removeprefix(f"{BUDGET_EXHAUSTED}: ")
    reason = said
    while host.money.version(key) <= about.get("version", -1):
        choices = [Choice.RAISE, Choice.FINISH, Choice.MODEL, Choice.RETRY, Choice.STOP]
        if about.get("models"):
            choices = [Choice.MODEL, *(choice for choice in choices if choice is not Choice.MODEL)]
        decision = await host.ask(
            reason,
            choices=choices,
            subject=key,
            kind=HandOffKind.BUDGET,
            about=about,
            check=fault_in,
            moot=partial(_changed, host, key, int(about.get("version", -1))),
        )
        if decision.choice == Choice.MODEL:
            host.money.use_model(str(decision.value))
            return True
        if decision.choice == Choice.FINISH:
            host.money.come_to_an_end(decision.by or "somebody")
        if decision.choice != Choice.RAISE:
            return False
        if (fault := await _raise(host, about, decision)) is None:
            return False
        reason = f"{fault} {said}"
    return False


def _changed(host: RunHost, key: str, version: int) -> Decision | None:
    """Return the decision to try again, once the budget is another than the one that did not pay."""
    return Decision(choice=Choice.RETRY, by="a change of the budget") if host.money.version(key) > version else None


async def _raise(host: RunHost, about: dict[str, Any], decision: Decision) -> str | None:
    """Raise a budget; return why that cannot be done."""
    amounts = Budget.parse(str(decision.value))
    wanted = {"usd_nanos": amounts.usd_nanos, "tokens": amounts.tokens, "calls": amounts.calls}
    caps = about.get("caps", {})
    if any(cap is not None and caps.get(name) is not None and cap <= caps[name] for name, cap in wanted.items()):
        return f"{decision.value!r} raises nothing."
    try:
        await host.money.raise_budget(str(about["budget"]), str(decision.value), decision.by)
    except ActivityError as error:
        return error.cause.message if isinstance(error.cause, ApplicationError) else str(error.cause)
    return None


def last_call(request: ModelRequestContext) -> ModelRequestContext:
    """Return the request of a run that is to come to an end: no tools, a short answer."""
    parameters = request.model_request_parameters
    settings = ModelSettings(**(request.model_settings or {}))
    settings["max_tokens"] = min(settings.get("max_tokens") or LAST_OUTPUT_TOKENS, LAST_OUTPUT_TOKENS)
    settings["tool_choice"] = "none"  # output tools remain; the tools stay described, as some providers want them to
    parts = [*(parameters.instruction_parts or []), InstructionPart(content=LAST_WORDS, dynamic=True)]
    return replace(
        request, model_settings=settings, model_request_parameters=replace(parameters, instruction_parts=parts)
    )

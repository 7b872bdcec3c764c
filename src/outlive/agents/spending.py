"""A model call that is paid for: set aside before it is made, settled with its record, given back where it failed."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic_ai.messages import ModelMessage, ModelResponse
from pydantic_ai.models import Model, ModelRequestParameters
from pydantic_ai.settings import ModelSettings
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory

from outlive.agents.bounds import ceiling, most_input_tokens
from outlive.agents.services import Services
from outlive.contracts.budgets import BudgetScope
from outlive.effects.current import CurrentCall
from outlive.errors import BudgetExhausted, ModelUnusable
from outlive.ledger.reserving import Hold, Need
from outlive.ledger.spending import Spent
from outlive.models.billing import was_not_billed
from outlive.names import BUDGET_EXHAUSTED, split_agent_workflow_id

LEAST_OUTPUT_TOKENS = 1_024  # with less an answer is likely to be cut short, and its money lost
LAST_OUTPUT_TOKENS = 1_024  # of a call that is to come to an end with what there is

Make = Callable[[ModelSettings | None], Awaitable[ModelResponse]]


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A model call that is about to be made."""

    model: Model[Any]
    messages: Sequence[ModelMessage]
    settings: ModelSettings | None
    parameters: ModelRequestParameters
    cheaper: Sequence[str] = ()


async def paid(offered: Services, call: CurrentCall, asked: Asked, make: Make) -> ModelResponse:
    """Make a call that its budgets pay for.

    Raises:
        ApplicationError: Of type ``BudgetExhausted``, if one does not; the call was not made then.
    """
    purse = offered.purse
    payers = purse.payers(call.payers)
    if not await purse.is_limited(payers):
        response = await make(asked.settings)
        call.spent = spent_by(offered, call, response, None)
        return response
    try:
        hold = await purse.reserve(need_of(offered, call, asked, payers))
    except BudgetExhausted as error:
        raise as_refusal(error, affordable(offered, asked, error)) from error
    settings = ModelSettings(**(asked.settings or {}))
    if hold.limits_output:
        settings["max_tokens"] = hold.output_tokens
    try:
        response = await make(settings)
    except BaseException as error:
        await (purse.release(hold) if was_not_billed(error) else purse.doubt(hold))
        raise
    spent = spent_by(offered, call, response, hold)
    if hold.is_lowered and response.finish_reason == "length":
        await purse.settle(spent)  # what there was left did not do for an answer
        raise as_refusal(await _refused(offered, call, asked, payers))
    call.spent = spent
    call.facts.update(_over(hold, spent))
    return response


def need_of(offered: Services, call: CurrentCall, asked: Asked, payers: Sequence[BudgetScope]) -> Need:
    """Return what a call may come to at most."""
    tokens = most_input_tokens(asked.model, asked.messages, asked.parameters)
    price = ceiling(offered.prices, asked.model, tokens)
    said = (asked.settings or {}).get("max_tokens") or (asked.model.settings or {}).get("max_tokens")
    wanted = said or offered.settings.budget_output_tokens
    return Need(
        hold_id=uuid.uuid4().hex,
        effect_key=call.key,
        workflow_id=call.workflow_id,
        scopes=payers,
        owner=offered.purse.owner,
        input_tokens=tokens,
        output_tokens=wanted,
        least_output_tokens=wanted if said else min(wanted, LEAST_OUTPUT_TOKENS),
        base_usd_nanos=None if price is None else price.base,
        output_usd_nanos=0 if price is None else price.output,
        lifted_by=call.lifted_by,
    )


async def _refused(
    offered: Services, call: CurrentCall, asked: Asked, payers: Sequence[BudgetScope]
) -> BudgetExhausted:
    """Return why there was not enough for a whole answer."""
    settings = ModelSettings(**(asked.settings or {}), max_tokens=offered.settings.budget_output_tokens)
    whole = Asked(model=asked.model, messages=asked.messages, settings=settings, parameters=asked.parameters)
    try:
        hold = await offered.purse.reserve(need_of(offered, call, whole, payers))
    except BudgetExhausted as error:
        return error
    await offered.purse.release(hold)  # it was raised meanwhile: asking again makes the call
    return BudgetExhausted("What was left did not do for an answer.", budget=hold.budgets[0], version=-1, about={})


def affordable(offered: Services, asked: Asked, error: BudgetExhausted) -> list[str]:
    """Return those of the agent's cheaper models that what is left would pay for, in their order."""
    left = {
        name: None if cap is None else cap - sum(error.about[kind][name] for kind in ("spent", "doubtful", "held"))
        for name, cap in error.about["caps"].items()
    }
    if error.about["lacks"] != "usd_nanos" or left["usd_nanos"] is None:
        return []
    return [name for name in asked.cheaper if _cost(offered, asked, name) <= left["usd_nanos"]]


def _cost(offered: Services, asked: Asked, name: str) -> float:
    try:
        model = offered.model(name)
    except ModelUnusable:
        return float("inf")
    tokens = most_input_tokens(model, asked.messages, asked.parameters)
    price = ceiling(offered.prices, model, tokens)
    return float("inf") if price is None else price.base + price.output * LEAST_OUTPUT_TOKENS


def as_refusal(error: BudgetExhausted, models: Sequence[str] = ()) -> ApplicationError:
    """Return what the workflow is told, so that it asks a person."""
    about = {**error.about, "budget": error.budget, "version": error.version, "models": list(models)}
    return ApplicationError(
        error.reason,
        about,
        type=BUDGET_EXHAUSTED,
        non_retryable=True,
        category=ApplicationErrorCategory.BENIGN,
    )


def spent_by(offered: Services, call: CurrentCall, response: ModelResponse, hold: Hold | None) -> Spent:
    """Return what a call came to."""
    agent = (split_agent_workflow_id(call.workflow_id) or (call.workflow_id, ""))[0]
    tenants = [scope.key.removeprefix("tenant/") for scope in call.payers if scope.key.startswith("tenant/")]
    return Spent(
        subject=f"agent/{agent}",
        model=response.model_name or "",
        input_tokens=response.usage.input_tokens,
        output_tokens=response.usage.output_tokens,
        usd_nanos=price_of(offered, response),
        tenant=tenants[0] if tenants else "",
        hold_id=hold.hold_id if hold is not None and hold.budgets else "",
    )


def price_of(offered: Services, response: ModelResponse) -> int | None:
    """Return the price in billionths of a dollar; None where it is not known."""
    if not response.model_name or not response.provider_name:
        return None
    if response.provider_name == "offline":
        return 0
    if not response.usage.input_tokens and not response.usage.output_tokens:
        return None  # nothing was counted: that is not the same as nothing
    return offered.prices.usd_nanos(response.usage, response.model_name, response.provider_name, response.provider_url)


def _over(hold: Hold, spent: Spent) -> dict[str, Any]:
    """Return by how much a call came to more than was set aside for it, for the trace."""
    more = (spent.usd_nanos or 0) - hold.amounts["usd_nanos"]
    return {"over_reservation_usd_nanos": more} if spent.hold_id and more > 0 else {}

"""A model call of an agent that waits for its turn among those of all workers, and is counted."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse
from pydantic_ai.models import Model

from outlive.agents.services import Services
from outlive.agents.spending import price_of
from outlive.meters import Measure, count, count_answer

LONGEST_WAIT = 600.0  # seconds; a provider that asks for more has closed for the day, not slowed down


async def in_turn(
    offered: Services, model: Model[Any], messages: Sequence[ModelMessage], make: Callable[[], Awaitable[ModelResponse]]
) -> ModelResponse:
    """Make a call once it may be made, under the limits of its model."""
    name = f"{model.system}:{model.model_name}"
    sent = len(ModelMessagesTypeAdapter.dump_json(list(messages))) if offered.pacer.is_limited(name) else 0
    reckoned = await offered.pacer.turn(name, input_bytes=sent)
    try:
        response = await make()
    except ModelHTTPError as error:
        wait = getattr(error, "retry_after", None)
        count(Measure.MODEL_CALLS, model=name, outcome="failed" if wait is None else "refused")
        if wait is not None and wait <= LONGEST_WAIT:
            await offered.pacer.refused(name, wait)
        raise
    usage = response.usage
    tokens = {"input_tokens": usage.input_tokens, "output_tokens": usage.output_tokens}
    offered.pacer.came_to(name, reckoned, **tokens)
    count_answer(name, usd_nanos=price_of(offered, response), **tokens)
    return response

"""The one door to models in a process: ask, and get an answer or a named failure."""

import asyncio
import random
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from outlive.contracts.outcomes import Cause
from outlive.errors import AnswerInvalid, ModelHalted, ModelOverloaded
from outlive.models.answers import Answer, Request
from outlive.models.extractive import extract
from outlive.models.given_prices import GivenPrices
from outlive.models.paying import Payer
from outlive.models.throttle import Throttle
from outlive.names import OFFLINE_MODEL
from outlive.settings import Settings

if TYPE_CHECKING:
    from outlive.models.exchange import Exchange, Retry
    from outlive.models.transport import Transport

_LONGEST_BACKOFF = 30.0
_LONGEST_WAIT = 600.0  # a provider that asks for more has closed for the day, not slowed down
_OFFLINE_CONTEXT_TOKENS = 1_000_000_000


class Models:
    """All calls of one process to models. Use it as an async context manager, one per event loop.

    Pydantic AI is imported when the first model other than ``offline:extractive`` is asked for: that takes seconds.
    """

    def __init__(self, settings: Settings, *, first_backoff: float = 0.5, prices: GivenPrices | None = None) -> None:
        """Make nothing yet: no connection, no import.

        Args:
            settings: Timeouts and attempts.
            first_backoff: Seconds before the second attempt; doubled for each further one.
            prices: Of models that Outlive does not know.
        """
        self.settings = settings
        self._first_backoff = first_backoff
        self._prices = prices
        self._exchanges: dict[str, Exchange] = {}
        self._throttles: dict[str, Throttle] = {}
        self._transport: Transport | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._transport is not None:
            await self._transport.aclose()
            self._transport = None
            self._exchanges.clear()

    async def prepare(self, model: str) -> None:
        """Import and build what the model takes, so that the first call does not have to.

        Raises:
            ModelUnusable: Unknown name, missing key or missing package.
        """
        if model != OFFLINE_MODEL and model not in self._exchanges:
            await self._exchange(model)

    async def check(self, model: str) -> None:
        """Find out whether the model can be used, without paying for it. Call it before a batch starts.

        Raises:
            ModelUnusable: Unknown name, missing or refused key, missing package.
        """
        if model == OFFLINE_MODEL:
            return
        from outlive.models.catalog import check

        exchange = await self._exchange(model)
        await check(model, exchange.model)

    async def context_tokens(self, model: str) -> int:
        """Return how many tokens the model takes in one call; the setting's guess where that is not known."""
        if model == OFFLINE_MODEL:
            return _OFFLINE_CONTEXT_TOKENS
        exchange = self._exchanges.get(model) or await self._exchange(model)
        return exchange.context_tokens or self.settings.context_tokens

    def throttle(self, model: str) -> Throttle:
        """Return the model's window in this process."""
        return self._throttles.setdefault(model, Throttle())

    async def ask(self, request: Request) -> Answer:
        """Return the model's answer, whole.

        Raises:
            CallRejected: The provider refuses this request.
            AnswerInvalid: The answer was cut short.
            ModelOverloaded: No answer after all attempts.
            ModelHalted: Every further call would fail as well: key refused, quota used up.
            ModelUnusable: Unknown name, missing key or missing package.
        """
        return whole(await self.answer(request))

    async def answer(self, request: Request, *, payer: Payer | None = None) -> Answer:
        """Do as `ask`, but return an answer that was cut short too, so that its cost can be counted.

        Args:
            payer: Pays for each attempt before it is made; the offline model costs nothing.

        Raises:
            BudgetExhausted: If the payer does not pay.
        """
        if request.model == OFFLINE_MODEL:
            return await self._offline_answer(request)
        exchange = self._exchanges.get(request.model) or await self._exchange(request.model)
        clock = asyncio.get_running_loop().time
        began = clock()
        answer = await self._with_attempts(exchange, request, payer)
        return replace(answer, seconds=clock() - began)

    async def _offline_answer(self, request: Request) -> Answer:
        if self.settings.offline_latency > 0:
            await asyncio.sleep(self.settings.offline_latency)
        text = extract(request.text, request.output)
        return Answer(text=text, usd_nanos=0, model=OFFLINE_MODEL, seconds=self.settings.offline_latency)

    async def _with_attempts(self, exchange: "Exchange", request: Request, payer: Payer | None) -> Answer:
        throttle = self.throttle(request.model)
        attempts = max(1, self.settings.model_attempts)
        attempt = 0
        while True:
            attempt += 1
            outcome = await self._paid_attempt(exchange, throttle, request, payer)
            if isinstance(outcome, Answer):
                return outcome
            wait = outcome.wait
            if wait is not None and wait > _LONGEST_WAIT:
                raise ModelHalted(
                    Cause.MODEL_HALTED,
                    f"{request.model}: the provider asks to wait {wait:.0f} s ({outcome.reason}). Resume after that.",
                ) from outcome
            if attempt >= attempts:
                raise ModelOverloaded(
                    Cause.MODEL_UNAVAILABLE,
                    f"{request.model} gave no answer in {attempt} attempts; the last: {outcome.reason}",
                    retry_after=None if wait is None else timedelta(seconds=wait),
                ) from outcome
            if not outcome.refused:  # a refusal holds back all calls, this one too: the throttle does that
                await asyncio.sleep(self._backoff(attempt) if wait is None else wait)

    async def _paid_attempt(
        self, exchange: "Exchange", throttle: Throttle, request: Request, payer: Payer | None
    ) -> "Answer | Retry":
        if payer is None:
            return await self._attempt(exchange, throttle, request)
        paid = await payer.reserve(request, exchange.ceiling)
        try:
            limited = replace(request, max_output_tokens=paid.output_tokens)
            outcome = await self._attempt(exchange, throttle, limited)
        except BaseException as error:
            await payer.give_back(paid, error)
            raise
        if isinstance(outcome, Answer):
            await payer.settle(paid, outcome)
        else:
            await payer.give_back(paid, outcome)
        return outcome

    async def _attempt(self, exchange: "Exchange", throttle: Throttle, request: Request) -> "Answer | Retry":
        from outlive.models.exchange import Retry

        epoch = await throttle.enter()
        try:
            async with asyncio.timeout(self.settings.model_timeout):
                answer = await exchange.attempt(request)
        except Retry as verdict:
            if verdict.refused and (verdict.wait or 0) <= _LONGEST_WAIT:
                throttle.refused(epoch, verdict.wait)
            return verdict
        except TimeoutError:
            return Retry(f"no answer within {self.settings.model_timeout:g} s")
        else:
            throttle.succeeded()
            return answer
        finally:
            throttle.leave()

    def _backoff(self, attempt: int) -> float:
        longest = self._first_backoff * 2.0 ** (attempt - 1)
        return min(_LONGEST_BACKOFF, longest) * random.uniform(0.5, 1.5)  # noqa: S311

    async def _exchange(self, model: str) -> "Exchange":
        if (known := self._exchanges.get(model)) is not None:
            return known
        # Imports take seconds, Google's most of all; heartbeats must go on meanwhile.
        await asyncio.to_thread(import_module, "outlive.models.exchange")
        from outlive.models.catalog import build
        from outlive.models.exchange import Exchange
        from outlive.models.prices import Prices
        from outlive.models.transport import Transport

        if self._transport is None:
            self._transport = Transport(self.settings.model_timeout)
        built = await asyncio.to_thread(build, model, self._transport)
        return self._exchanges.setdefault(model, Exchange(model, built, Prices(self._prices)))

    async def pydantic_ai_model(self, model: str) -> Any:
        """Return the Pydantic AI model behind a name, for code that wants to call it itself."""
        return (await self._exchange(model)).model


def whole(answer: Answer) -> Answer:
    """Return the answer, unless it was cut short.

    Raises:
        AnswerInvalid: It was.
    """
    if answer.finish_reason != "stop":
        raise AnswerInvalid(
            Cause.CUT_SHORT,
            f"{answer.model} was cut short after {answer.output_tokens} tokens, before its answer had ended. "
            "Ask for a shorter answer, or use a model with a larger output.",
        )
    return answer

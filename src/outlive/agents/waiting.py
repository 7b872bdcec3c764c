"""Pydantic AI's own way to wait for the outside, `wait_for_external_event`, as a hand-off."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

from pydantic import JsonValue
from pydantic_ai.durable_exec import ExternalEventError, ExternalEventWaiter

from outlive.agents.host import RunHost
from outlive.contracts.agents import Choice, HandOffKind
from outlive.contracts.hand_offs import HandOffPolicy


class HandOffWaiter(ExternalEventWaiter):
    """Waits for a person at the desk. What hands the token out is run in workflow code, so it must be deterministic."""

    def __init__(self, host: RunHost, policy: HandOffPolicy | None) -> None:
        self._host = host
        self._policy = policy or HandOffPolicy()

    async def wait(
        self, name: str, *, ask: Callable[[str], Awaitable[JsonValue]], timeout: timedelta | None
    ) -> JsonValue:
        """Return what `ask` answers at once, or else what a person answers.

        Raises:
            ExternalEventError: If nobody answers in time, or a person says that there is no answer.
        """
        at_once = await ask(name)
        if at_once is not None:
            return at_once
        policy = self._policy if timeout is None else HandOffPolicy(expires_after=timeout, on_expiry=Choice.TELL)
        decision = await self._host.ask(
            f"The agent waits for {name!r}.",
            choices=[Choice.ANSWER, Choice.TELL, Choice.STOP],
            subject=name,
            kind=HandOffKind.QUESTION,
            about={"name": name},
            policy=policy,
        )
        if decision.choice != Choice.ANSWER:
            raise ExternalEventError(decision.note or "Nobody answered.")
        answer: JsonValue = decision.value
        return answer

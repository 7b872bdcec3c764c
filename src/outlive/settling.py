"""Settling an effect whose outcome nobody knows: a person says what came of it, and its run goes on."""

from collections.abc import Sequence
from typing import Any, Protocol

import temporalio.client

from outlive.contracts.agents import Choice
from outlive.engine.run_health import run_health
from outlive.errors import RunError
from outlive.ledger.effects import EffectRecord, EffectState, Settlement, Settling
from outlive.ledger.ledger import Ledger
from outlive.runs import Connection, RunHandle

_CHOICES = {Settling.DONE: Choice.DONE, Settling.RETRY: Choice.RETRY, Settling.FAILED: Choice.TELL}


class Project(Connection, Protocol):
    """What is needed of an `outlive.Client`."""

    settings: Any
    ledger: Ledger

    async def temporal(self) -> temporalio.client.Client:
        """Return the connection to Temporal."""
        ...


async def find_effect(client: Project, key: str) -> EffectRecord:
    """Return an effect by its key or the beginning of it.

    Raises:
        RunError: If there is none.
        LedgerError: If several keys begin so.
    """
    found = await client.ledger.call(client.ledger.effects.find, key)
    if found is None:
        raise RunError(f"There is no effect {key!r} in the ledger. `outlive ledger list` shows the latest.")
    return found


async def settle_effect(client: Project, key: str, verdict: Settling, *, value: Any = None, by: str = "") -> str:
    """Say what came of an effect, and let its run go on where it waits for that.

    Args:
        key: Of the effect, or the beginning of it.
        verdict: ``done`` (``value`` being what it returned), ``retry``, or ``failed``, which the model is then told.

    Returns:
        One sentence for a person: what follows.

    Raises:
        RunError: If there is no such effect, or nothing about it is to be settled.
    """
    record = await find_effect(client, key)
    health = await run_health(await client.temporal(), client.settings, record.workflow_id)
    for question in health.questions if health is not None else ():
        if question.about.get("effect_key") == record.effect_key:
            handle: RunHandle[Any] = RunHandle(client, record.workflow_id)
            await handle.decide(
                _choice(verdict, question.choices), question_id=question.question_id, value=value, by=by
            )
            return f"Settled: {verdict}. {record.workflow_id} goes on."
    if record.state is EffectState.UNKNOWN and (health is None or health.is_closed):
        settlement = Settlement(verdict=verdict, value=value, by=by)
        await client.ledger.call(client.ledger.effects.settle, record.effect_key, settlement)
        return f"Settled: {verdict}. Its run has ended; nothing else follows."
    raise RunError(f"Effect {record.effect_key[:12]} is {record.state}: nobody waits to hear what came of it.")


def _choice(verdict: Settling, choices: Sequence[str]) -> Choice:
    is_undo = verdict is Settling.FAILED and Choice.SKIP in choices
    return Choice.SKIP if is_undo else _CHOICES[verdict]

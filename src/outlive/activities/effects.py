"""The local activity with which a workflow takes down what a person decided about an effect."""

from temporalio import activity

from outlive.contracts.effects import SettleEffect
from outlive.ledger.effects import Settlement
from outlive.ledger.ledger import Ledger
from outlive.names import SETTLE_EFFECT


class EffectBooks:
    """Writes decisions about effects into the ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    @activity.defn(name=SETTLE_EFFECT)
    async def settle_effect(self, settle: SettleEffect) -> None:
        """Take a decision down; one about an effect that was recorded as done meanwhile changes nothing."""
        settlement = Settlement(verdict=settle.verdict, value=settle.value, by=settle.by)
        await self._ledger.call(self._ledger.effects.settle, settle.effect_key, settlement)

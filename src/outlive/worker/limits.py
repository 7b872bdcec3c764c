"""The limits of a worker process: those of its app and its settings, held together with all other workers."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from outlive.contracts.limits import Limit
from outlive.ledger.ledger import Ledger
from outlive.models.pacing import Pacer
from outlive.registry import Registry
from outlive.settings import Settings, per_minute


class LedgerBook:
    """The book of the project, in its ledger."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def take(self, key: str, units: float, per_second: float) -> float:
        """Take units; return in how many seconds the first of them may be used."""
        return await self._ledger.call(self._ledger.rates.take, key, units, per_second)

    async def give_back(self, key: str, units: float, per_second: float) -> None:
        """Give back units whose time has not come."""
        await self._ledger.call(self._ledger.rates.give_back, key, units, per_second)

    async def hold(self, key: str, seconds: float) -> None:
        """Let no unit come free within these seconds."""
        await self._ledger.call(self._ledger.rates.hold, key, seconds)


def limits_of(registry: Registry, settings: Settings) -> dict[str, Limit]:
    """Return the limit of each model; where app and settings both name one, the settings count."""
    requests = per_minute("requests_per_minute", settings.requests_per_minute)
    tokens = per_minute("tokens_per_minute", settings.tokens_per_minute)
    declared = registry.limits

    def of(model: str) -> Limit:
        own = declared.get(model, Limit())
        return Limit(
            requests_per_minute=requests.get(model, own.requests_per_minute),
            tokens_per_minute=tokens.get(model, own.tokens_per_minute),
        )

    return {model: of(model) for model in {*declared, *requests, *tokens}}


@asynccontextmanager
async def paced(registry: Registry, ledger: Ledger, settings: Settings) -> AsyncIterator[Pacer]:
    """Give what lets calls wait for their turn; on leaving, what was taken ahead is given back."""
    pacer = Pacer(limits_of(registry, settings), LedgerBook(ledger))
    try:
        yield pacer
    finally:
        await pacer.aclose()

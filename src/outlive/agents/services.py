"""What one worker process offers to the agents that it serves: models over shared connections, ledger, event log."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai.models import Model

from outlive.errors import ModelUnusable
from outlive.ledger.ledger import Ledger
from outlive.models.catalog import build
from outlive.models.keys import default_model
from outlive.models.prices import Prices
from outlive.models.rehearsal import build_rehearsal
from outlive.models.transport import Transport
from outlive.money.purse import Purse
from outlive.names import OFFLINE_MODEL
from outlive.settings import Settings
from outlive.streams.writing import StreamWriter

DEFAULT_MODEL = "outlive:default"
"""Model name of an agent that has none: what the settings of the worker say."""


@dataclass(kw_only=True)
class Services:
    """The services of one worker process, in its event loop."""

    settings: Settings
    ledger: Ledger
    streams: StreamWriter
    transport: Transport
    purse: Purse
    prices: Prices = field(default_factory=Prices)
    _models: dict[str, Model[Any]] = field(default_factory=dict)

    def model(self, name: str) -> Model[Any]:
        """Return the model of a name, built once per process.

        Raises:
            ModelUnusable: Unknown name, missing key or missing package.
        """
        name = default_model(self.settings) if name == DEFAULT_MODEL else name
        if name not in self._models:
            self._models[name] = self._build(name)
        return self._models[name]

    def _build(self, name: str) -> Model[Any]:
        if name == OFFLINE_MODEL:
            return build_rehearsal(self.settings)
        return build(name, self.transport)

    def trouble(self, name: str) -> str | None:
        """Return why a model cannot be used by this worker; None where nothing is seen to be wrong."""
        try:
            self.model(name)
        except ModelUnusable as error:
            return str(error)
        return None


_current: list[Services] = []


def services() -> Services | None:
    """Return the services of the worker that runs in this process; None where none does."""
    return _current[-1] if _current else None


@asynccontextmanager
async def offer(
    settings: Settings, ledger: Ledger, streams: StreamWriter, *, purse: Purse, prices: Prices
) -> AsyncIterator[Services]:
    """Offer services to the agents of this process for as long as the block runs."""
    transport = Transport(settings.model_timeout)
    offered = Services(
        settings=settings, ledger=ledger, streams=streams, transport=transport, purse=purse, prices=prices
    )
    _current.append(offered)
    try:
        yield offered
    finally:
        _current.remove(offered)
        await offered.transport.aclose()

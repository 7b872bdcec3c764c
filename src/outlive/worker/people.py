"""What a worker needs so that batches, and workflows without agents, can have hand-offs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from outlive.activities.budgets import BudgetBooks
from outlive.activities.hand_offs import HandOffBooks
from outlive.activities.telling import Teller
from outlive.encryption.keyring import keyring_of
from outlive.ledger.ledger import Ledger
from outlive.registry import Registry
from outlive.settings import Settings
from outlive.streams.schema import streams_of
from outlive.streams.writing import StreamWriter
from outlive.worker.parts import WorkerParts, workflow_runner


@asynccontextmanager
async def serve_hand_offs(
    registry: Registry, *, ledger: Ledger, settings: Settings, teller: Teller
) -> AsyncIterator[WorkerParts]:
    """Prepare to write down, tell and carry out what people decide for an app without agents, while the block runs."""
    async with StreamWriter(streams_of(settings), keys=keyring_of(settings)) as streams:
        books = HandOffBooks(registry, ledger, streams, teller)
        yield WorkerParts(
            workflow_runner=workflow_runner(),
            activities=[books.record_hand_off, books.tell_hand_off, BudgetBooks(ledger).raise_budget],
        )

"""What a worker needs so that workflows without agents can have hand-offs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from outlive.activities.hand_offs import HandOffBooks
from outlive.engine.home import Home
from outlive.ledger.ledger import Ledger
from outlive.registry import Registry
from outlive.settings import Settings
from outlive.streams.writing import StreamWriter
from outlive.worker.parts import WorkerParts, workflow_runner


@asynccontextmanager
async def serve_hand_offs(registry: Registry, *, ledger: Ledger, settings: Settings) -> AsyncIterator[WorkerParts]:
    """Prepare to write down and tell the hand-offs of an app's own workflows, for as long as the block runs."""
    async with StreamWriter(Home(settings.home).streams_db) as streams:
        books = HandOffBooks(registry, ledger, streams)
        yield WorkerParts(workflow_runner=workflow_runner(), activities=[books.record_hand_off, books.tell_hand_off])

"""Batches and their documents, as the pages and their JSON twins show them."""

import asyncio
from collections.abc import Sequence

from temporalio.service import RPCError

from outlive.api.engine_part import AWAY_AFTER_SECONDS
from outlive.api.views_batches import (
    BatchCard,
    BatchDetail,
    DocumentDetail,
    DocumentPage,
    DocumentRow,
    FailureView,
    Forecast,
    SeriesView,
)
from outlive.api.views_money import BudgetView
from outlive.client import Client
from outlive.errors import BatchUnknown, EngineUnavailable
from outlive.handles import BatchHandle, BatchStatus
from outlive.ledger.browsing import DocumentFilter, count_by
from outlive.ledger.records import BatchRecord
from outlive.names import batch_workflow_id
from outlive.source_texts import source_text


async def card_of(handle: BatchHandle, status: BatchStatus) -> BatchCard:
    """Return a batch as it stands, and how fast it is."""
    return BatchCard(**BatchCard.fields_of(status, await handle.outlook(status)))


async def status_of(handle: BatchHandle) -> BatchStatus:
    """Return where a batch stands, as the ledger alone has it where the engine is away; sums may be a moment old."""
    try:
        async with asyncio.timeout(AWAY_AFTER_SECONDS):
            return await handle.status(is_exact=False)
    except (EngineUnavailable, RPCError, RuntimeError, TimeoutError):
        return await handle.status(ask_engine=False, is_exact=False)


async def detail_of(client: Client, handle: BatchHandle, status: BatchStatus) -> BatchDetail:
    """Return a batch as it stands, with what is to be expected of it."""
    outlook = await handle.outlook(status)
    budgets = await client.ledger.call(client.ledger.budgets.find, [batch_workflow_id(handle.batch_id)])
    return BatchDetail(
        **BatchCard.fields_of(status, outlook),
        forecast=Forecast.of(outlook),
        budget=BudgetView.of(budgets[0]) if budgets else None,
    )


async def read_batch(client: Client, batch_id: str) -> BatchDetail:
    """Return a batch as it stands.

    Raises:
        BatchUnknown: If there is no such batch.
    """
    handle = await client.batch(batch_id)
    return await detail_of(client, handle, await status_of(handle))


async def read_batches(client: Client, _: str = "") -> Sequence[BatchCard]:
    """Return all batches as the ledger has them, the oldest first."""
    records = await client.ledger.call(client.ledger.batches.listed)
    return [await _card(client, record) for record in records]


async def read_series(client: Client, batch_id: str, *, points: int = 240) -> SeriesView:
    """Return a batch over time.

    Raises:
        BatchUnknown: If there is no such batch.
    """
    record = await (await client.batch(batch_id)).record()
    series = client.ledger.series
    return SeriesView.of(await client.ledger.call(series.read, record.number, record.created_at, points=points))


async def read_failures(client: Client, batch_id: str) -> Sequence[FailureView]:
    """Return what documents of a batch failed of, with an example of each, the most frequent cause first.

    Raises:
        BatchUnknown: If there is no such batch.
    """
    return [FailureView.of(group) for group in await (await client.batch(batch_id)).failures()]


async def read_documents(
    client: Client, batch_id: str, wanted: DocumentFilter, *, start: int, limit: int
) -> DocumentPage:
    """Return a part of a batch's documents.

    Raises:
        BatchUnknown: If there is no such batch.
    """
    record, browsing = await (await client.batch(batch_id)).record(), client.ledger.browsing
    known = client.ledger.known_progress(record)  # of a batch that is looked at
    total = None if known is None else count_by(known, wanted)
    page, counted = await asyncio.gather(
        client.ledger.call(browsing.page, record, wanted, start=start, limit=limit),
        client.ledger.call(browsing.count, record, wanted) if total is None else asyncio.sleep(0, total),
    )
    return DocumentPage(
        items=[DocumentRow.of(document) for document in page.items],
        next=None if page.next is None else str(page.next),
        scanned_to=page.scanned_to,
        total=counted,
    )


async def read_document(client: Client, batch_id: str, position: int) -> DocumentDetail:
    """Return a document of a batch with its whole result and what it says.

    Raises:
        BatchUnknown: If there is no such batch, or it has no such document.
    """
    record = await (await client.batch(batch_id)).record()
    document = await client.ledger.call(client.ledger.browsing.document, record, position)
    if document is None:
        raise BatchUnknown(
            f"Batch {batch_id!r} has no document {position}: it has {record.document_count:,}, counted from 0."
        )
    return DocumentDetail.whole(document, await source_text(record.spec, document))


async def _card(client: Client, record: BatchRecord) -> BatchCard:
    handle = BatchHandle(client, record.batch_id)
    status = BatchStatus(record=record, progress=await client.ledger.progress(record))
    return await card_of(handle, status)

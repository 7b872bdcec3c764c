"""Batches over HTTP."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Response

from outlive.api.batch_pages import card_of, read_batch, read_batches, status_of
from outlive.api.bodies import BatchBody, BudgetBody, ConcurrencyBody
from outlive.api.connected import Acting, Connected, IdempotencyKey, Wait, acting_name, one_id
from outlive.api.looking import until_ended
from outlive.api.problems import Problem
from outlive.api.starting import start_batch
from outlive.api.views import ResultsPage, StartedView, documents_of
from outlive.api.views_batches import BatchCard, BatchDetail
from outlive.contracts.budgets import Budget
from outlive.handles import BatchHandle

router = APIRouter(prefix="/v1/batches", tags=["batches"])


@router.post(
    "",
    status_code=201,
    responses={
        200: {"model": StartedView, "description": "An equal request had started it before."},
        409: {"model": Problem, "description": "The id stands for another batch."},
    },
)
async def start_one(client: Connected, body: BatchBody, response: Response, key: IdempotencyKey = None) -> StartedView:
    """Start a batch. Returns once its documents are written down."""
    started = await start_batch(client, body, batch_id=one_id(body.id, key))
    response.headers["Location"] = started.url
    if not started.is_new:
        response.status_code = HTTPStatus.OK
    return started


@router.get("")
async def list_batches(client: Connected) -> list[BatchCard]:
    """List the batches of the project, the oldest first, as the ledger has them."""
    return list(await read_batches(client))


@router.get("/{batch_id}")
async def get_batch(client: Connected, batch_id: str, wait: Wait = 0) -> BatchDetail:
    """Return where a batch stands: at once, or when it has ended, at the latest after `wait` seconds."""
    if wait:
        await until_ended(client, batch_id, wait)
    return await read_batch(client, batch_id)


@router.get("/{batch_id}/results")
async def get_results(
    client: Connected,
    batch_id: str,
    cursor: Annotated[int, Query(ge=0, description="`next` of the part before; 0 begins.")] = 0,
    limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
) -> ResultsPage:
    """Return a part of the results so far, in the order of the source."""
    handle = await client.batch(batch_id)
    rows = await handle.results_page(start=cursor, limit=limit)
    count = (await handle.record()).document_count
    end = cursor + limit
    return ResultsPage(items=documents_of(rows), next=str(end) if end < count else None)


@router.post("/{batch_id}/cancel", status_code=202)
async def cancel_batch(client: Connected, batch_id: str) -> BatchCard:
    """End a batch after the documents in flight. What is done stays; starting it again goes on."""
    handle = await client.batch(batch_id)
    await handle.cancel()
    return await _card(handle)


@router.post("/{batch_id}/pause", status_code=202)
async def pause_batch(client: Connected, batch_id: str) -> BatchCard:
    """Begin no further document; those in flight are finished."""
    handle = await client.batch(batch_id)
    await handle.pause()
    return await _card(handle)


@router.post("/{batch_id}/resume", status_code=202)
async def resume_batch(client: Connected, batch_id: str) -> BatchCard:
    """Go on with a batch that is paused or cancelled."""
    handle = await client.batch(batch_id)
    await handle.start()
    await handle.resume()
    return await _card(handle)


@router.post("/{batch_id}/concurrency", status_code=202)
async def set_concurrency(client: Connected, batch_id: str, body: ConcurrencyBody) -> BatchCard:
    """Change how many documents are in flight over all workers; they see it within a second."""
    handle = await client.batch(batch_id)
    await handle.set_concurrency(body.documents)
    return await _card(handle)


@router.post("/{batch_id}/budget")
async def set_budget(client: Connected, caller: Acting, batch_id: str, body: BudgetBody) -> BatchCard:
    """Set what the batch may spend. One that is paused for money goes on by itself where that is enough."""
    handle = await client.batch(batch_id)
    await handle.set_budget(Budget.parse(body.budget), by=acting_name(caller, body.by))
    return await _card(handle)


@router.post("/{batch_id}/retry", status_code=202)
async def retry_failed(client: Connected, batch_id: str) -> BatchCard:
    """Do the failed documents of a batch that has ended again. What they cost before stays counted."""
    handle = await client.batch(batch_id)
    await handle.retry_failed()
    return await _card(handle)


async def _card(handle: BatchHandle) -> BatchCard:
    return await card_of(handle, await status_of(handle))

"""Batches over HTTP."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Query, Response

from outlive.api.bodies import BatchBody
from outlive.api.connected import Connected, IdempotencyKey, Wait, one_id
from outlive.api.looking import batch_view
from outlive.api.problems import Problem
from outlive.api.starting import start_batch
from outlive.api.views import BatchView, ResultsPage, StartedView, documents_of

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
async def list_batches(client: Connected) -> list[BatchView]:
    """List the batches of the project, the oldest first, as the ledger has them."""
    return [BatchView.of(await handle.status(ask_engine=False)) for handle in await client.batches()]


@router.get("/{batch_id}")
async def get_batch(client: Connected, batch_id: str, wait: Wait = 0) -> BatchView:
    """Return where a batch stands: at once, or when it has ended, at the latest after `wait` seconds."""
    return await batch_view(client, batch_id, wait=wait)


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
async def cancel_batch(client: Connected, batch_id: str) -> BatchView:
    """End a batch after the documents in flight. What is done stays; starting it again goes on."""
    await (await client.batch(batch_id)).cancel()
    return await batch_view(client, batch_id)


@router.post("/{batch_id}/pause", status_code=202)
async def pause_batch(client: Connected, batch_id: str) -> BatchView:
    """Begin no further document; those in flight are finished."""
    await (await client.batch(batch_id)).pause()
    return await batch_view(client, batch_id)


@router.post("/{batch_id}/resume", status_code=202)
async def resume_batch(client: Connected, batch_id: str) -> BatchView:
    """Go on with a batch that is paused or cancelled."""
    handle = await client.batch(batch_id)
    await handle.start()
    await handle.resume()
    return await batch_view(client, batch_id)

"""What became of a batch's documents over HTTP: over time, by cause, one by one, and as a file."""

from typing import Annotated, Literal
from urllib.parse import quote

from fastapi import APIRouter, Path, Query
from starlette.responses import StreamingResponse

from outlive.api.batch_pages import read_document, read_documents, read_failures, read_series
from outlive.api.bodies import MOST_ROWS
from outlive.api.connected import Connected
from outlive.api.views_batches import DocumentDetail, DocumentPage, FailureView, SeriesView
from outlive.batch_results import results_as_bytes
from outlive.ledger.browsing import DocumentFilter, DocumentStatus

router = APIRouter(prefix="/v1/batches/{batch_id}", tags=["batches"])
Format = Literal["jsonl", "csv", "parquet"]
MEDIA_TYPES = {
    "jsonl": "application/jsonl",
    "csv": "text/csv; charset=utf-8",
    "parquet": "application/vnd.apache.parquet",
}


@router.get("/series")
async def get_series(
    client: Connected,
    batch_id: str,
    points: Annotated[int, Query(ge=2, le=1_000, description="The most steps; there may be one more.")] = 240,
) -> SeriesView:
    """Return how the batch went over time. What was retried is there as it was then."""
    return await read_series(client, batch_id, points=points)


@router.get("/failures")
async def list_failures(client: Connected, batch_id: str) -> list[FailureView]:
    """List what documents failed of, with an example of each, the most frequent cause first."""
    return list(await read_failures(client, batch_id))


@router.get("/documents")
async def list_documents(  # noqa: PLR0917 - each is named in the query
    client: Connected,
    batch_id: str,
    status: Annotated[DocumentStatus | None, Query(description="Duplicates have none of their own.")] = None,
    cause: Annotated[str | None, Query(max_length=32, description="Only those that failed of it.")] = None,
    q: Annotated[str, Query(max_length=200, description="What address or reason hold, whatever the case.")] = "",
    cursor: Annotated[int, Query(ge=0, le=MOST_ROWS, description="`next` of the part before; 0 begins.")] = 0,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> DocumentPage:
    """Return a part of the documents, in the order of the source. A search takes bounded time: go on at `next`."""
    wanted = DocumentFilter(status=status, cause=cause, text=q)
    return await read_documents(client, batch_id, wanted, start=cursor, limit=limit)


@router.get("/documents/{position}")
async def get_document(
    client: Connected, batch_id: str, position: Annotated[int, Path(ge=0, le=MOST_ROWS)]
) -> DocumentDetail:
    """Return a document with its whole result and its text: kept, or read again now as the workers have read it."""
    return await read_document(client, batch_id, position)


@router.get(
    "/download",
    response_class=StreamingResponse,
    responses={200: {"content": {kind: {} for kind in MEDIA_TYPES.values()}, "description": "The file."}},
)
async def download(
    client: Connected, batch_id: str, file_format: Annotated[Format, Query(alias="format")] = "jsonl"
) -> StreamingResponse:
    """Return the results so far as a file, as `outlive batch results` writes it."""
    handle = await client.batch(batch_id)
    name = quote(f"{handle.batch_id}.{file_format}", safe="")
    return StreamingResponse(
        results_as_bytes(handle.results_in_chunks(), file_format),
        media_type=MEDIA_TYPES[file_format],
        headers={"Content-Disposition": f"attachment; filename*=UTF-8''{name}"},
    )

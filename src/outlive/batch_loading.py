"""Writing a batch and its documents down in the ledger: once, however often and from wherever it is asked for."""

import contextlib
import platform
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from outlive.batch_requests import BatchRequest
from outlive.contracts.batches import BatchSpec
from outlive.documents.entries import Entry, address_key
from outlive.errors import BatchError
from outlive.ledger.ledger import Ledger
from outlive.ledger.records import BatchRecord, BatchState, NewDocument, require_same
from outlive.names import batch_workflow_id
from outlive.registry import Registry, recipe_of

STALE_LOADING_SECONDS = 24 * 3600


@dataclass(frozen=True, kw_only=True)
class LoadedBatch:
    """A batch that is written down.

    Attributes:
        is_new: Whether it was written down now.
    """

    batch_id: str
    is_new: bool


async def find_batch(ledger: Ledger, batch_id: str) -> BatchRecord | None:
    """Return a batch as the ledger has it; None where there is none, or it is still being written down."""
    found = await ledger.call(ledger.batches.find, batch_id)
    return None if found is None or found.state is BatchState.LOADING else found


async def load_batch(ledger: Ledger, registry: Registry, request: BatchRequest) -> LoadedBatch:
    """Write a batch and its documents down, without starting it.

    The same request gives the same batch: an id that exists already is returned as it stands.

    Raises:
        AppError: If the app has no such batch function.
        SourceError: If the source cannot be read.
        BatchError: If the id stands for a batch with another recipe.
    """
    spec = replace(request.spec, source=request.source.description, machine=platform.node())
    spec = replace(spec, recipe=recipe_of(registry.batch(spec.function), spec))
    if request.batch_id is not None and (found := await find_batch(ledger, request.batch_id)):
        require_same(found, spec)
        loaded = LoadedBatch(batch_id=request.batch_id, is_new=False)
    else:
        loaded = await _written_down(ledger, request, spec)
    if request.budget is not None:
        scope = request.budget.scope(batch_workflow_id(loaded.batch_id))
        await ledger.call(ledger.budgets.declare, scope)
    return loaded


async def _written_down(ledger: Ledger, request: BatchRequest, spec: BatchSpec) -> LoadedBatch:
    provisional = f"loading-{uuid.uuid4().hex}"
    books = ledger.batches
    await ledger.call(books.remove_stale, STALE_LOADING_SECONDS)
    await ledger.call(books.create, replace(spec, batch_id=provisional))
    try:
        entries = _new_documents(request.source.entries())
        digest = await ledger.call(books.add_documents, provisional, entries)
        batch_id = request.batch_id or await _derived_id(ledger, spec, digest)
        is_new = await find_batch(ledger, batch_id) is None and await _seal(ledger, provisional, batch_id)
        if not is_new:
            found = await find_batch(ledger, batch_id)
            assert found is not None
            require_same(found, spec if request.batch_id else replace(spec, source=found.spec.source))
            await ledger.call(books.remove, provisional)
    except BaseException:
        with contextlib.suppress(BatchError):
            await ledger.call(books.remove, provisional)
        raise
    return LoadedBatch(batch_id=batch_id, is_new=is_new)


async def _seal(ledger: Ledger, provisional: str, batch_id: str) -> bool:
    """Give the batch its id for good; False where somebody else was quicker."""
    try:
        await ledger.call(ledger.batches.seal, provisional, rename_to=batch_id)
    except BatchError:
        if await find_batch(ledger, batch_id) is None:
            raise
        return False
    return True


async def _derived_id(ledger: Ledger, spec: BatchSpec, digest: str) -> str:
    """Return the id that belongs to these documents and this recipe; with `fresh`, the next one not finished."""
    name = spec.function.rpartition(".")[2]
    stem = f"{name}-{digest[:8]}{spec.recipe[:4]}"
    if not spec.fresh:
        return stem
    number = 1
    while (found := await find_batch(ledger, f"{stem}-fresh-{number}")) and found.state is BatchState.FINISHED:
        number += 1
    return f"{stem}-fresh-{number}"


def _new_documents(entries: Iterable[Entry]) -> Iterator[NewDocument]:
    for entry in entries:
        uri, text, fields = entry.uri, entry.text, entry.fields or None
        address = address_key(uri)
        yield NewDocument(uri=uri, address=address, text=text, fields=fields, cause=entry.cause, reason=entry.reason)

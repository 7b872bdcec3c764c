"""One run over HTTP, in rows that are read on, entry by entry, value by value.

Runs of agents and plans have these below their own address; any other workflow, and child runs by the id that their
row has, below ``/v1/workflows/``.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from outlive.api.connected import Connected, Wait
from outlive.api.routes_runs import RUN, AnyRun
from outlive.api.views_traces import EntryView, OutlineView, ValueView
from outlive.client import Client

MOST_WITHIN = 60.0  # seconds
JSON = "application/json"

router = APIRouter(prefix="/v1", tags=["runs"])

Since = Annotated[
    str, Query(max_length=200, description="`cursor` of an outline: only what has changed since is returned.")
]
Within = Annotated[
    float | None,
    Query(
        ge=0,
        le=MOST_WITHIN,
        description="Seconds after which what was read of a long run by then is returned; without it, all is.",
    ),
]
Ref = Annotated[str, Query(max_length=2_000, description="Of a value, as outlines and entries have it: `3.args`.")]
OUTLINE, ENTRY, VALUES = "/outline", "/entries/{entry_id:path}", "/values"
WORKFLOW = "/workflows/{workflow_id:path}"


@router.get("/runs" + RUN + OUTLINE, response_model=OutlineView)
async def get_outline(
    client: Connected, run: AnyRun, since: Since = "", wait: Wait = 0, within: Within = None
) -> Response:
    """Return a run in rows, one for each entry of its trace; or what has changed since an earlier answer.

    With `wait` it is answered at once where something has changed, at the latest so many seconds later.
    """
    return await _outline(client, run, since=since, wait=wait, within=within)


@router.get(WORKFLOW + OUTLINE, response_model=OutlineView)
async def get_outline_of_workflow(
    client: Connected, workflow_id: str, since: Since = "", wait: Wait = 0, within: Within = None
) -> Response:
    """Return any workflow in rows: a child run, a batch, a workflow of your own."""
    return await _outline(client, workflow_id, since=since, wait=wait, within=within)


@router.get("/runs" + RUN + ENTRY)
async def get_entry(client: Connected, run: AnyRun, entry_id: str) -> EntryView:
    """Return an entry of a run as the trace has it, with what the ledger has of its call."""
    return await _entry(client, run, entry_id)


@router.get(WORKFLOW + ENTRY)
async def get_entry_of_workflow(client: Connected, workflow_id: str, entry_id: str) -> EntryView:
    """Return an entry of any workflow."""
    return await _entry(client, workflow_id, entry_id)


@router.get("/runs" + RUN + VALUES)
async def get_value(client: Connected, run: AnyRun, ref: Ref) -> ValueView:
    """Return a value of a run whole."""
    return ValueView.model_validate(await client.outlines.value(run, ref))


@router.get(WORKFLOW + VALUES)
async def get_value_of_workflow(client: Connected, workflow_id: str, ref: Ref) -> ValueView:
    """Return a value of any workflow whole."""
    return ValueView.model_validate(await client.outlines.value(workflow_id, ref))


async def _outline(client: Client, workflow_id: str, *, since: str, wait: float, within: float | None) -> Response:
    found = await client.outlines.changed(workflow_id, since=since, wait=wait, within=within)
    return Response(OutlineView.of(found).model_dump_json(), media_type=JSON)  # as it is: checking costs more


async def _entry(client: Client, workflow_id: str, entry_id: str) -> EntryView:
    entry, key = await client.outlines.entry(workflow_id, entry_id)
    record = await client.ledger.call(client.ledger.effects.find, key) if key else None
    return EntryView.of(entry, entry_id, record)

"""Runs of agents and plans over HTTP."""

import json
from collections.abc import AsyncIterator
from dataclasses import asdict
from datetime import datetime
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Header, Query, Response
from sse_starlette import EventSourceResponse, ServerSentEvent

from outlive.api.bodies import LONGEST_ID, AgentRunBody, MessageBody, PlanRunBody
from outlive.api.connected import Connected, IdempotencyKey, Wait, one_id
from outlive.api.looking import find_page, handle_of, run_result, turn_result, workflow_id_of
from outlive.api.problems import Problem
from outlive.api.starting import start_agent, start_plan
from outlive.api.views import EventView, Kind, ResultView, RunView, StartedView, TurnView
from outlive.errors import UsageError
from outlive.runs import Conversation, RunHandle
from outlive.trace.model import as_json
from outlive.trace.reading import TraceReader

States = Literal["running", "parked", "stuck", "completed", "failed", "cancelled", "terminated", "timed out"]
AnyKind = Literal["agent", "plan", "any"]
Search = Annotated[
    str,
    Query(
        max_length=2 * LONGEST_ID,
        description="How the id begins: the whole one, `NAME/ID`, or the caller's own.",
    ),
]
NEXT_CURSOR = "X-Next-Cursor"
CLOSED_EVENT = "closed"
LINE_END = "\n"
PING_SECONDS = 15  # below what proxies give an idle connection

router = APIRouter(prefix="/v1/runs", tags=["runs"])


def _any_run(kind: Kind, name: str, run_id: str) -> str:
    return workflow_id_of(kind, name, run_id)


def _agent_run(kind: Literal["agent"], name: str, run_id: str) -> str:
    return workflow_id_of(kind, name, run_id)


AnyRun = Annotated[str, Depends(_any_run)]
AgentRun = Annotated[str, Depends(_agent_run)]
RUN = "/{kind}/{name}/{run_id:path}"
NOT_ENDED: dict[int | str, dict[str, Any]] = {202: {"model": ResultView, "description": "It has not ended yet."}}
CONFLICT: dict[int | str, dict[str, Any]] = {
    200: {"model": StartedView, "description": "An equal request had started it before."},
    409: {"model": Problem, "description": "The id stands for another request."},
}


@router.post("/agent/{name}", status_code=201, responses=CONFLICT)
async def start_run_of_agent(
    client: Connected, name: str, body: AgentRunBody, response: Response, key: IdempotencyKey = None
) -> StartedView:
    """Start a run of an agent, or open a conversation. Returns at once."""
    return _answered(await start_agent(client, name, body, run_id=one_id(body.id, key)), response)


@router.post("/plan/{name}", status_code=201, responses=CONFLICT)
async def start_run_of_plan(
    client: Connected, name: str, body: PlanRunBody, response: Response, key: IdempotencyKey = None
) -> StartedView:
    """Start a run of a plan. Returns at once."""
    return _answered(await start_plan(client, name, body, run_id=one_id(body.id, key)), response)


@router.get("")
async def list_runs(  # noqa: PLR0917 - each is named in the query
    client: Connected,
    response: Response,
    kind: AnyKind = "agent",
    name: Annotated[str | None, Query(max_length=LONGEST_ID, description="Of the agent or plan.")] = None,
    state: Annotated[list[States] | None, Query(description="Only these; may be given again.")] = None,
    since: Annotated[datetime | None, Query(description="Only those that began later.")] = None,
    search: Search = "",
    cursor: Annotated[str, Query(max_length=2_000, description="Of the next part, as the header names it.")] = "",
    limit: Annotated[int, Query(ge=1, le=1_000)] = 50,
) -> list[RunView]:
    """List runs, the latest first, as the engine's list has them: what keeps one from moving its own page tells.

    Where more follow, the header `X-Next-Cursor` is the `cursor` of the next part.
    """
    if since is not None and since.tzinfo is None:
        raise UsageError(f"since is {since.isoformat()!r}, without a time zone. Write it with one: a Z at its end.")
    found, following = await find_page(
        client, kind=kind, name=name, states=state or (), since=since, search=search, cursor=cursor, limit=limit
    )
    if following is not None:
        response.headers[NEXT_CURSOR] = following
    return found


@router.get(RUN + "/result", responses=NOT_ENDED)
async def get_result(client: Connected, run: AnyRun, response: Response, wait: Wait = 0) -> ResultView:
    """Return what a run ended with; 202 where it has not ended after `wait` seconds."""
    found = await run_result(client, run, wait=wait)
    return found or await _not_ended(handle_of(client, run), response)


@router.get(RUN + "/turns/{turn}", responses=NOT_ENDED)
async def get_turn(client: Connected, run: AgentRun, turn: int, response: Response, wait: Wait = 0) -> ResultView:
    """Return the answer of a turn of a conversation; 202 where it has not ended after `wait` seconds."""
    found = await turn_result(client, run, turn, wait=wait)
    return found or await _not_ended(handle_of(client, run), response)


@router.post(RUN + "/messages", status_code=202)
async def send_message(client: Connected, run: AgentRun, body: MessageBody, key: IdempotencyKey = None) -> TurnView:
    """Say something to a run. Returns at once, with the turn that answers it."""
    handle = handle_of(client, run)
    turn = await handle.say(body.content, steer=body.steer, message_id=one_id(body.message_id, key))
    return TurnView(turn=turn)


@router.post(RUN + "/close", status_code=202)
async def close_conversation(client: Connected, run: AgentRun) -> RunView:
    """End a conversation once everything said is answered."""
    talk: Conversation[Any] = Conversation(client, run)
    await talk.close()
    return RunView.of(await talk.status())


@router.post(RUN + "/cancel", status_code=202)
async def cancel_run(client: Connected, run: AnyRun) -> RunView:
    """Ask a run to end as soon as the calls in flight can be broken off."""
    handle = handle_of(client, run)
    await handle.cancel()
    return RunView.of(await handle.status())


@router.get(RUN + "/trace")
async def get_trace(
    client: Connected,
    run: AnyRun,
    whole: Annotated[bool, Query(description="Every value whole, however long.")] = False,
) -> dict[str, Any]:
    """Return all that happened in a run, as `outlive show --json` does: turns, calls, waits, child runs, costs."""
    temporal = await client.temporal()
    reader = TraceReader(temporal, client.settings, ledger=client.ledger)
    plain: dict[str, Any] = as_json(await reader.read(run, whole=whole))
    return plain


@router.get(RUN + "/events", response_class=EventSourceResponse, responses={204: {"description": "No more follow."}})
async def follow_events(
    client: Connected,
    run: AnyRun,
    from_: Annotated[int, Query(alias="from", ge=0, description="Offset of the first event.")] = 0,
    last: Annotated[int | None, Query(ge=0, description="Begin no more than so many events before the newest.")] = None,
    last_event_id: Annotated[str | None, Header(description="Id of the last event seen: goes on behind it.")] = None,
) -> Response:
    """Follow a run as server-sent events, each with its offset as id and an `EventView` as data, until it has ended."""
    handle = handle_of(client, run)
    start = _offset(last_event_id) + 1 if last_event_id else from_
    health = await handle.status()
    newest = await client.streams.last_offset(handle.workflow_id)
    if last is not None and newest is not None and not last_event_id:
        start = max(start, newest + 1 - last)
    if health.is_closed and (newest is None or newest < start):
        return Response(status_code=HTTPStatus.NO_CONTENT)  # a browser's EventSource then comes no more
    return EventSourceResponse(_frames(handle, start), ping=PING_SECONDS, sep=LINE_END)


@router.get(RUN)
async def get_run(client: Connected, run: AnyRun) -> RunView:
    """Return where a run stands, and what keeps it from moving."""
    return RunView.of(await handle_of(client, run).status())


async def _frames(handle: RunHandle[Any], start: int) -> AsyncIterator[ServerSentEvent]:
    async for event in handle.events(from_=start):
        shown = EventView.model_validate(asdict(event))
        yield ServerSentEvent(id=str(event.offset), event=str(event.kind), data=shown.model_dump_json(), sep=LINE_END)
    yield ServerSentEvent(event=CLOSED_EVENT, data=json.dumps({"id": handle.workflow_id}), sep=LINE_END)


async def _not_ended(handle: RunHandle[Any], response: Response) -> ResultView:
    response.status_code = HTTPStatus.ACCEPTED
    return ResultView(id=handle.workflow_id, state=(await handle.status()).state)


def _answered(started: StartedView, response: Response) -> StartedView:
    response.headers["Location"] = started.url
    if not started.is_new:
        response.status_code = HTTPStatus.OK
    return started


def _offset(last_event_id: str) -> int:
    if not last_event_id.isdecimal():
        raise UsageError(f"Last-Event-ID is {last_event_id!r}. It is the id of an event: a whole number.")
    return int(last_event_id)

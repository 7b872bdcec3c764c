"""Pages that move: one stream of server-sent events for all that a page looks at."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Request
from sse_starlette import EventSourceResponse, ServerSentEvent

from outlive.api.hub import Hub

LINE_END = "\n"
NO_PING = 0  # the pulse is one
RETRY_MS = 1_000  # after which a browser comes back
SEND_SECONDS = 60.0  # a page that takes nothing for so long is let go; it goes on with its last event's id
LONGEST_SECONDS = 900.0  # then the browser comes back, and is looked at again: its session may have ended
LONGEST_TOPIC = 1_000

router = APIRouter(prefix="/v1", tags=["live"])


def hub_of(request: Request) -> Hub:
    """Return the hub that the API was started with."""
    hub = request.app.state.hub
    assert isinstance(hub, Hub)
    return hub


Topics = Annotated[
    str, Query(max_length=16 * LONGEST_TOPIC, description="Names with commas between: `home,batch:invoices`.")
]
OneTopic = Annotated[
    list[str] | None,
    Query(alias="topic", description="One name, such as `run:agent/support/4711`; may be given again."),
]

After = Annotated[
    str | None, Query(description="The same as `Last-Event-ID`, which wins, for a page that opens a stream anew.")
]


@router.get("/live", response_class=EventSourceResponse)
async def follow_topics(
    hub: Annotated[Hub, Depends(hub_of)],
    topics: Topics = "",
    topic: OneTopic = None,
    last_event_id: Annotated[str | None, Header(description="Id of the last event seen: only changes follow.")] = None,
    after: After = None,
) -> EventSourceResponse:
    """Follow topics as server-sent events: each has the topic as its name and its whole state as data.

    States come again whenever they change, never more than one a second. Every 5 seconds, and at once when it
    changes, an event `pulse` says whether the engine answers; an event `problem` says of which topic something is
    wrong. The stream ends after 15 minutes: come back with the id of the last event.
    """
    names = hub.check([*topics.split(","), *(topic or [])])
    return EventSourceResponse(
        _events(hub, names, last_event_id or after or ""), ping=NO_PING, sep=LINE_END, send_timeout=SEND_SECONDS
    )


async def _events(hub: Hub, names: list[str], last_id: str) -> AsyncIterator[ServerSentEvent]:
    clock = asyncio.get_running_loop().time
    ends = clock() + LONGEST_SECONDS
    yield ServerSentEvent(retry=RETRY_MS, comment="live", sep=LINE_END)
    async with aclosing(hub.follow(names, last_id)) as frames:
        async for frame in frames:
            yield ServerSentEvent(id=frame.id, event=frame.event, data=frame.data.decode(), sep=LINE_END)
            if clock() > ends:
                return

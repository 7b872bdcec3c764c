"""The topics of `GET /v1/live`."""

from collections.abc import Sequence
from urllib.parse import parse_qs

from outlive.api.looking import find_runs
from outlive.api.topic import Argument, Topic
from outlive.api.views import HandOffView, RunView
from outlive.client import Client
from outlive.errors import UsageError

RUNS_SHOWN = 50  # as `GET /v1/runs` shows where it is not asked for more
_RUN_FILTERS = frozenset({"kind", "name", "state"})


async def read_hand_offs(client: Client, _: str) -> Sequence[HandOffView]:
    """Return what waits for a person, as `GET /v1/hand-offs` does."""
    return [HandOffView.of(one) for one in await client.desk.list()]


async def read_runs(client: Client, argument: str) -> Sequence[RunView]:
    """Return the latest runs, as `GET /v1/runs` does with the query that the argument is.

    Raises:
        UsageError: If the query asks for anything else.
    """
    query = parse_qs(argument)
    kind = query.get("kind", ["agent"])[-1]
    if unknown := sorted(set(query) - _RUN_FILTERS):
        raise UsageError(f"The topic 'runs' has no filter {unknown[0]!r}. It takes kind, name and state.")
    if kind not in {"agent", "plan"}:
        raise UsageError(f"The kind {kind!r} is none of runs. It is 'agent' or 'plan'.")
    return await find_runs(
        client, kind=kind, name=query.get("name", [None])[-1], states=query.get("state", ()), limit=RUNS_SHOWN
    )


TOPICS: Sequence[Topic] = (
    Topic(name="hand-offs", read=read_hand_offs),
    Topic(name="runs", read=read_runs, argument=Argument.OPTIONAL),
)

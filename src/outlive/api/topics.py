"""The topics of `GET /v1/live`."""

from collections.abc import Sequence
from urllib.parse import parse_qs

from outlive.api.batch_pages import read_batch, read_batches
from outlive.api.fleet_page import read_fleet, timeless_fleet
from outlive.api.home import read_home, timeless_home
from outlive.api.looking import find_runs
from outlive.api.money_page import read_budgets, read_money
from outlive.api.topic import Argument, Topic, digest
from outlive.api.views import HandOffView, RunView
from outlive.api.views_traces import OutlineView
from outlive.client import Client
from outlive.errors import UsageError
from outlive.trace.outline import Outline

FIRST_SECONDS = 2.0  # after which a page shows what of a long run is read by then
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


async def read_run(client: Client, workflow_id: str) -> Outline:
    """Return a run in rows, as `GET …/outline` does; of a long one what could be read at once."""
    return await client.outlines.outline(workflow_id, within=FIRST_SECONDS)


TOPICS: Sequence[Topic] = (
    Topic(name="home", read=read_home, mark=lambda home: digest(timeless_home(home))),
    Topic(name="hand-offs", read=read_hand_offs),
    Topic(name="runs", read=read_runs, argument=Argument.OPTIONAL),
    Topic(
        name="run",
        read=read_run,
        argument=Argument.NEEDED,
        show=OutlineView.of,
        mark=lambda outline: str(outline.cursor),
        since=lambda client, outline, mark: client.outlines.since(outline, mark),
    ),
    Topic(name="batches", read=read_batches),
    Topic(name="batch", read=read_batch, argument=Argument.NEEDED),
    Topic(name="money", read=read_money, argument=Argument.OPTIONAL),
    Topic(name="budgets", read=read_budgets),
    Topic(name="fleet", read=read_fleet, mark=lambda fleet: digest(timeless_fleet(fleet))),
)

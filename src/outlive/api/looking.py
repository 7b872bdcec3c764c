"""Where runs and batches stand, and what they ended with: the same for HTTP and for assistants."""

import asyncio
from collections.abc import Awaitable, Sequence
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic_core import to_jsonable_python

from outlive.api.views import BatchView, ErrorView, ResultView, RunView, parts_of
from outlive.client import Client
from outlive.engine.run_health import run_exists
from outlive.engine.run_pages import page_of_runs
from outlive.errors import RunFailed, RunUnknown
from outlive.names import agent_workflow_id, plan_workflow_id
from outlive.plan_runs import PlanHandle
from outlive.runs import Conversation, RunHandle, RunResult

T = TypeVar("T")


def handle_of(client: Client, workflow_id: str) -> RunHandle[Any]:
    """Return a handle that gives results as JSON; whether there is such a run its use tells."""
    kind, _, _ = parts_of(workflow_id)
    return PlanHandle(client, workflow_id) if kind == "plan" else RunHandle(client, workflow_id)


def workflow_id_of(kind: str, name: str, run_id: str) -> str:
    """Return the whole id of a run of an agent or a plan."""
    return agent_workflow_id(name, run_id) if kind == "agent" else plan_workflow_id(name, run_id)


async def find_runs(
    client: Client,
    *,
    kind: str = "agent",
    name: str | None = None,
    states: Sequence[str] = (),
    since: datetime | None = None,
    limit: int = 50,
) -> list[RunView]:
    """Return runs of agents, of plans or of ``any`` kind, the latest first."""
    found, _ = await find_page(client, kind=kind, name=name, states=states, since=since, limit=limit)
    return found


async def find_page(client: Client, **asked: Any) -> tuple[list[RunView], str | None]:
    """Return a part of the runs, the latest first, and the cursor of the next part; as `page_of_runs` is asked.

    Raises:
        UsageError: If the cursor is none.
    """
    page = await page_of_runs(await client.temporal(), **asked)
    return [RunView.of(health) for health in page.runs], page.next


async def run_result(client: Client, workflow_id: str, *, wait: float) -> ResultView | None:
    """Return what a run ended with; None where it has not ended so many seconds later.

    Raises:
        RunUnknown: If there is no such run.
    """
    handle = handle_of(client, workflow_id)
    health = await handle.status()
    if not health.is_closed and not wait:
        return None
    try:
        found = await _within(wait if not health.is_closed else None, handle.result())
    except RunFailed as error:
        return ResultView(id=workflow_id, state=_state(error), error=_error(error))
    if found is None:
        return None
    if isinstance(found.value, RunResult):
        result: RunResult[Any] = found.value
        output = to_jsonable_python(result.output)
        return ResultView(id=workflow_id, state="completed", output=output, usage=result.usage, turns=result.turns)
    return ResultView(id=workflow_id, state="completed", output=to_jsonable_python(found.value))


async def turn_result(client: Client, workflow_id: str, turn: int, *, wait: float) -> ResultView | None:
    """Return what a turn of a conversation ended with; None where it has not ended so many seconds later.

    Raises:
        RunUnknown: If there is no such run.
        RunError: If the conversation has ended before that turn.
    """
    if not await run_exists(await client.temporal(), workflow_id):
        raise RunUnknown(f"There is no run {workflow_id!r}. `outlive runs` lists those of this project.")
    talk: Conversation[Any] = Conversation(client, workflow_id)
    try:
        found = await _within(max(wait, SHORTEST_WAIT), talk.reply(turn))
    except RunFailed as error:
        return ResultView(id=workflow_id, state=_state(error), error=_error(error), turns=turn)
    if found is None:
        return None
    return ResultView(id=workflow_id, state="completed", output=to_jsonable_python(found.value), turns=turn)


SHORTEST_WAIT = 1.0  # seconds: the answer of a turn that has ended is read from the event log, which takes a moment


async def batch_view(client: Client, batch_id: str, *, wait: float = 0.0) -> BatchView:
    """Return where a batch stands, at once or when it has ended, at the latest so many seconds later.

    Raises:
        BatchUnknown: If there is no such batch.
    """
    if wait:
        await until_ended(client, batch_id, wait)
    return BatchView.of(await (await client.batch(batch_id)).status())


async def until_ended(client: Client, batch_id: str, seconds: float) -> None:
    """Wait until a batch has ended, at most so many seconds.

    Raises:
        BatchUnknown: If there is no such batch.
    """
    await _within(seconds, (await client.batch(batch_id)).result())


class _Found(Generic[T]):
    """A value that was waited for; it may be None itself."""

    def __init__(self, value: T) -> None:
        self.value = value


async def _within(seconds: float | None, waiting: Awaitable[T]) -> "_Found[T] | None":
    try:
        async with asyncio.timeout(seconds):
            return _Found(await waiting)
    except TimeoutError:
        return None


def _error(error: RunFailed) -> ErrorView:
    return ErrorView(type=error.cause_type or error.status, message=str(error))


def _state(error: RunFailed) -> str:
    return {"CANCELED": "cancelled"}.get(error.status, error.status.lower())

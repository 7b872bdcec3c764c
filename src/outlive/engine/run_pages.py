"""Lists of runs in parts, of any length."""

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from temporalio.client import Client

from outlive.engine.run_health import RunHealth, listed_run, runs_query
from outlive.errors import UsageError
from outlive.names import (
    AGENT_WORKFLOW,
    AGENT_WORKFLOW_ID_PREFIX,
    PLAN_WORKFLOW,
    PLAN_WORKFLOW_ID_PREFIX,
    split_agent_workflow_id,
    split_plan_workflow_id,
)

KINDS = {"agent": (AGENT_WORKFLOW, AGENT_WORKFLOW_ID_PREFIX), "plan": (PLAN_WORKFLOW, PLAN_WORKFLOW_ID_PREFIX)}
ANY_KIND = "any"
LOOKED_AT_ONCE = 200
MOST_LOOKED_AT = 5_000  # runs for one part: the engine cannot tell states, and ids only from their beginning


@dataclass(frozen=True, kw_only=True)
class RunPage:
    """A part of a list.

    Attributes:
        next: Cursor of the part behind it; None at the end. Where few runs fit, a part may hold fewer than asked for.
    """

    runs: Sequence[RunHealth]
    next: str | None = None


@dataclass(frozen=True, kw_only=True)
class _Place:
    """Where a part ended: in the engine's page of a token and a size, behind so many rows."""

    token: bytes = b""
    size: int = 0
    rows: int = 0

    def cursor(self) -> str:
        plain = json.dumps([base64.b64encode(self.token).decode(), self.size, self.rows])
        return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")

    @classmethod
    def of(cls, cursor: str) -> "_Place":
        try:
            token, size, rows = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
            return cls(token=base64.b64decode(token), size=int(size), rows=int(rows))
        except (binascii.Error, ValueError, TypeError) as error:
            raise UsageError(
                f"The cursor {cursor!r} is none of a list of runs. Give the one that the part before it named."
            ) from error


async def page_of_runs(
    client: Client,
    *,
    kind: str = ANY_KIND,
    name: str | None = None,
    states: Sequence[str] = (),
    since: datetime | None = None,
    search: str = "",
    cursor: str = "",
    limit: int = 50,
) -> RunPage:
    """Return a part of the runs of agents and plans, the latest first, each as the list itself tells.

    Args:
        kind: ``agent``, ``plan`` or ``any``.
        name: Of the agent or plan.
        states: Only runs in one of these.
        since: Only those that began later.
        search: How the whole id begins, or it without the kind, or the caller's own id.
        cursor: Of the part before.

    Raises:
        UsageError: If the cursor is none.
        RPCError: If the engine does not answer.
    """
    kinds = [*KINDS.values()] if kind == ANY_KIND else [KINDS[kind]]
    begins = _beginnings([prefix for _, prefix in kinds], name, search)
    query = runs_query([workflow_type for workflow_type, _ in kinds], begins=begins, since=since)
    is_own_id = bool(search) and not begins
    size = max(limit, LOOKED_AT_ONCE) if is_own_id or states else limit  # of others every row is one that is asked for
    place = _Place.of(cursor) if cursor else _Place(size=size)
    found: list[RunHealth] = []
    looked_at = 0
    while True:
        rows = client.list_workflows(query, page_size=place.size, next_page_token=place.token or None)
        await rows.fetch_next_page()
        page = rows.current_page or []
        for number, row in enumerate(page[place.rows :], start=place.rows + 1):
            one = await listed_run(row, states=states, since=since)
            if one is not None and (not is_own_id or _is_called(one.workflow_id, search)):
                found.append(one)
            if len(found) == limit and number < len(page):
                here = _Place(token=place.token, size=place.size, rows=number)
                return RunPage(runs=found, next=here.cursor())
        looked_at += len(page)
        if not rows.next_page_token:
            return RunPage(runs=found)
        place = _Place(token=rows.next_page_token, size=place.size)
        if len(found) == limit or looked_at >= MOST_LOOKED_AT:
            return RunPage(runs=found, next=place.cursor())


def _beginnings(prefixes: Sequence[str], name: str | None, search: str) -> list[str]:
    """Return how the ids of the runs may begin, where the engine can look for that; nothing where it cannot."""
    if name is not None:
        return [f"{prefix}{name}/{search}" for prefix in prefixes]
    if any(search.startswith(prefix) for prefix in prefixes):
        return [search]
    return [f"{prefix}{search}" for prefix in prefixes] if "/" in search else []


def _is_called(workflow_id: str, search: str) -> bool:
    parts = split_plan_workflow_id(workflow_id) or split_agent_workflow_id(workflow_id) or ("", workflow_id)
    return any(part.startswith(search) for part in parts)

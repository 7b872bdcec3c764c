"""From what was typed to a run of an agent: app, agent, dependencies, id."""

import asyncio
import datetime as dt
import uuid
from dataclasses import dataclass
from typing import Any

from outlive.app import App
from outlive.cli.references import required_app
from outlive.engine.run_health import worker_problem
from outlive.errors import EngineUnavailable, UsageError
from outlive.runs import Connection
from outlive.settings import Settings


@dataclass(frozen=True, kw_only=True)
class AgentRequest:
    """An agent that was named on the command line, with what it is given.

    Attributes:
        reference: ``MODULE:APP`` of the app that declares it.
        deps: A value of the agent's ``deps_type``, or None.
    """

    settings: Settings
    reference: str
    app: App
    agent: str
    run_id: str
    model: str | None = None
    deps: Any = None

    @property
    def run(self) -> str:
        """The run as commands name it."""
        return f"{self.agent}/{self.run_id}"


def agent_request(
    agent: str, *, app: str | None, run_id: str | None, model: str | None, deps: str | None
) -> AgentRequest:
    """Check all that can be checked before anything starts.

    Raises:
        AppError: If there is no such app, or it declares no such agent.
        UsageError: If the id or the dependencies cannot be used.
    """
    from outlive.app import load_app

    settings = Settings.load()
    if run_id is not None:
        _check_id(run_id)
    reference = required_app(app, settings)
    loaded = load_app(reference)
    declared = loaded.registry.agent(agent)
    return AgentRequest(
        settings=settings,
        reference=reference,
        app=loaded,
        agent=agent,
        run_id=run_id or new_run_id(),
        model=model,
        deps=_read_deps(declared, deps),
    )


def new_run_id() -> str:
    """Return an id of the shape ``1125-0412-7f3a9c``: when, and what tells it from others of the same minute."""
    return f"{dt.datetime.now(tz=dt.UTC).astimezone():%m%d-%H%M}-{uuid.uuid4().hex[:6]}"


def _check_id(run_id: str) -> None:
    if not run_id.strip() or not run_id.isprintable():
        raise UsageError(f"{run_id!r} cannot be the id of a run. Give one such as `order-4711`.")


def _read_deps(agent: Any, text: str | None) -> Any:
    if text is None:
        return None
    from pydantic import TypeAdapter, ValidationError

    kind: Any = agent.deps_type
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        where = f" at {place!r}" if place else ""
        raise UsageError(f"--deps is no JSON of {getattr(kind, '__name__', kind)}: {first['msg']}{where}.") from error


async def said_worker_problem(client: Connection) -> str | None:
    """Return that no worker serves the project, where that is so; None also where it cannot be told at the moment."""
    from temporalio.service import RPCError

    try:
        async with asyncio.timeout(5):
            return await worker_problem(await client.temporal(), client.settings, client.settings.task_queue)
    except (RPCError, EngineUnavailable, TimeoutError):
        return None

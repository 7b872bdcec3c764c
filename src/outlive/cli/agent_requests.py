"""From what was typed to a run of an agent: app, agent, dependencies, id."""

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from outlive.app import App, load_app
from outlive.cli.references import required_app
from outlive.contracts.budgets import Budget
from outlive.engine.run_health import worker_problem
from outlive.errors import AppError, EngineUnavailable, UsageError
from outlive.requesting import made_up_id, misfit
from outlive.runs import Connection
from outlive.settings import Settings
from outlive.worker.sources import app_sources, syntax_fault


@dataclass(frozen=True, kw_only=True)
class AgentRequest:
    """An agent that was named on the command line, with what it is given.

    Attributes:
        reference: ``MODULE:APP`` of the app that declares it.
        deps_json: Dependencies as JSON of the agent's ``deps_type``.
    """

    settings: Settings
    reference: str
    agent: str
    run_id: str
    model: str | None = None
    deps_json: str | None = None
    budget: Budget | None = None
    tenant: str | None = None

    @property
    def run(self) -> str:
        """The run as commands name it."""
        return f"{self.agent}/{self.run_id}"

    def load(self) -> tuple[App, Any]:
        """Import the app, which takes seconds; return it and the dependencies.

        Raises:
            AppError: If it cannot be imported, or declares no such agent.
            UsageError: If the dependencies are none of this agent.
        """
        app = load_app(self.reference)
        return app, _read_deps(app.registry.agent(self.agent), self.deps_json)


def agent_request(
    agent: str,
    *,
    app: str | None,
    run_id: str | None,
    model: str | None,
    deps: str | None,
    budget: str | None = None,
    tenant: str | None = None,
) -> AgentRequest:
    """Check all that can be checked without importing the app.

    Raises:
        AppError: If there is no such app, or its files are no valid Python.
        UsageError: If the id or the dependencies cannot be used.
    """
    settings = Settings.load()
    if run_id is not None:
        _check_id(run_id)
    if deps is not None:
        _check_json(deps)
    reference = required_app(app, settings)
    if fault := syntax_fault(app_sources(reference, Path.cwd())):
        raise AppError(f"The app {reference!r} cannot be imported: {fault}. Mend it there.")
    return AgentRequest(
        settings=settings,
        reference=reference,
        agent=agent,
        run_id=run_id or made_up_id(),
        model=model,
        deps_json=deps,
        budget=None if budget is None else Budget.parse(budget),
        tenant=tenant,
    )


def _check_id(run_id: str) -> None:
    if not run_id.strip() or not run_id.isprintable() or run_id in {".", ".."}:
        raise UsageError(f"{run_id!r} cannot be the id of a run. Give one such as `order-4711`.")


def _check_json(text: str) -> None:
    try:
        json.loads(text)
    except ValueError as error:
        raise UsageError(f"--deps is no JSON: {error}.") from error


def _read_deps(agent: Any, text: str | None) -> Any:
    if text is None:
        return None
    from pydantic import TypeAdapter, ValidationError

    kind: Any = agent.deps_type
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        raise UsageError(f"--deps is no JSON of {misfit(kind, error)}.") from error


async def said_worker_problem(client: Connection) -> str | None:
    """Return that no worker serves the project, where that is so; None also where it cannot be told at the moment."""
    from temporalio.service import RPCError

    try:
        async with asyncio.timeout(5):
            return await worker_problem(await client.temporal(), client.settings, client.settings.task_queue)
    except (RPCError, EngineUnavailable, TimeoutError):
        return None

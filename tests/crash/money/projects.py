"""A project whose workers serve an agent that costs money."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace

from crash.agents.projects import AgentProject
from crash.money.apps import app
from outlive.settings import Settings
from outside import Outside

OUTPUT_TOKENS = 20  # that a call may give: what is set aside for it is then near to what it comes to


@contextlib.asynccontextmanager
async def money_project(settings: Settings, outside: Outside) -> AsyncIterator[AgentProject]:
    """A project; its worker processes are ended with it."""
    settings.home.parent.mkdir(parents=True, exist_ok=True)
    project = AgentProject(replace(settings, budget_output_tokens=OUTPUT_TOKENS), outside, app=app)
    project.app = "crash.money.apps:app"
    try:
        async with project.client:
            yield project
    finally:
        outside.release()
        project.end()

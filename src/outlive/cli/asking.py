"""For commands that only look: the client of a project that has something to look at."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from outlive.errors import EngineUnavailable, RunError

if TYPE_CHECKING:
    from temporalio.client import Client as TemporalClient

    from outlive.client import Client
    from outlive.settings import Settings


def existing_project() -> "Settings":
    """Return the settings of this project. Looking creates nothing where nothing ever ran.

    Raises:
        RunError: If nothing was ever run here.
    """
    from outlive.engine.connection import configured_cluster
    from outlive.settings import Settings

    settings = Settings.load()
    if not settings.home.exists() and not settings.ledger and not configured_cluster():
        raise RunError(
            f"Nothing was ever run here: there is no {str(settings.home.resolve())!r}. "
            "Work in the folder where it was run, or name its state folder with OUTLIVE_HOME."
        )
    return settings


@asynccontextmanager
async def project() -> "AsyncIterator[Client]":
    """Give a client of this project's engine and ledger.

    Raises:
        RunError: If nothing was ever run here.
        EngineUnavailable: If the engine stops answering meanwhile.
    """
    from temporalio.service import RPCError

    from outlive.client import Client

    settings = existing_project()
    try:
        async with Client(settings) as client:
            yield client
    except RPCError as error:
        raise EngineUnavailable(
            f"The engine did not answer: {error.message}. `outlive doctor` tells what is wrong."
        ) from error


async def any_run(temporal: "TemporalClient", run_id: str) -> str:
    """Return the workflow id of the run of an agent or a plan that an id means, or of the workflow that has it.

    Raises:
        RunError: If there is none, or it may mean several.
    """
    from outlive.engine.run_health import find_run, run_exists
    from outlive.plan_runs import find_plan

    try:
        return await find_run(temporal, run_id)
    except RunError as error:
        if await run_exists(temporal, run_id):
            return run_id
        if "may mean" in str(error):
            raise
        unknown = error
    try:
        return await find_plan(temporal, run_id)
    except RunError as error:
        raise (error if "may mean" in str(error) else unknown) from None

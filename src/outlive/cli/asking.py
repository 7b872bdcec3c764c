"""For commands that only look: the client of a project that has something to look at."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from outlive.errors import EngineUnavailable, RunError

if TYPE_CHECKING:
    from outlive.client import Client


@asynccontextmanager
async def project() -> "AsyncIterator[Client]":
    """Give a client of this project's engine and ledger. Looking creates nothing where nothing ever ran.

    Raises:
        RunError: If nothing was ever run here.
        EngineUnavailable: If the engine stops answering meanwhile.
    """
    from temporalio.service import RPCError

    from outlive.client import Client
    from outlive.engine.connection import configured_cluster
    from outlive.settings import Settings

    settings = Settings.load()
    if not settings.home.exists() and not configured_cluster():
        raise RunError(
            f"Nothing was ever run here: there is no {str(settings.home.resolve())!r}. "
            "Work in the folder where it was run, or name its state folder with OUTLIVE_HOME."
        )
    try:
        async with Client(settings) as client:
            yield client
    except RPCError as error:
        raise EngineUnavailable(
            f"The engine did not answer: {error.message}. `outlive doctor` tells what is wrong."
        ) from error

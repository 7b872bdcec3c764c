"""Engine and workers for a command that needs them: those that are up, or its own for as long as it runs."""

import contextlib
from collections.abc import AsyncIterator

from outlive.engine.connection import configured_cluster, connect
from outlive.engine.health import count_pollers
from outlive.engine.home import Home
from outlive.errors import EngineOwned
from outlive.settings import Settings
from outlive.worker.supervisor import Supervisor


@contextlib.asynccontextmanager
async def running_project(settings: Settings, *, workers: int) -> AsyncIterator[None]:
    """Use the engine and workers that are up, or run them for the length of the block."""
    if await _has_workers(settings):
        yield
        return
    with_engine = not configured_cluster() and Home(settings.home).live_state() is None
    try:
        supervisor = Supervisor(settings, workers=workers, engine=with_engine)
        await supervisor.start()
    except EngineOwned:  # somebody else's came up in the same moment
        yield
        return
    try:
        yield
    finally:
        await supervisor.stop()


async def _has_workers(settings: Settings) -> bool:
    if not configured_cluster() and Home(settings.home).live_state() is None:
        return False
    return await count_pollers(await connect(settings), settings.task_queue) > 0

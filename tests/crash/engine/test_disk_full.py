"""The disk full under a running engine: nothing accepted is lost, and all goes on when there is room again."""

import asyncio
import contextlib
import os
import signal

import pytest
from temporalio.client import Client, WorkflowHandle
from temporalio.service import RPCError

from crash.disks import fill
from engines import Notes, counting_worker, settings_for, start_counting, until
from outlive.engine.connection import connect, result_of
from outlive.engine.events import EngineDied, EngineGivenUp, EngineStarted
from outlive.engine.home import Home
from outlive.engine.server import DISK_FULL, QUICK_DEATHS_ALLOWED, EngineServer

pytestmark = pytest.mark.embedded


async def test_runs_accepted_before_the_disk_was_full_finish_when_there_is_room_again(small_disk, task_queue):
    home, events = Home(small_disk / ".outlive"), []
    settings = settings_for(home.path)
    async with home.own(), EngineServer(home, settings, on_event=events.append) as server:
        client = await connect(settings)
        accepted = [await start_counting(client, 2, id="run-0", task_queue=task_queue)]
        ballast = small_disk / "ballast"
        fill(ballast)
        with pytest.raises((RPCError, TimeoutError)):
            await asyncio.wait_for(start_until_refused(client, task_queue, accepted), 3)
        with contextlib.suppress(ProcessLookupError):  # a full disk may have ended it already (SIGBUS)
            os.kill(server.pid, signal.SIGKILL)
        full = lambda: [e for e in events if isinstance(e, EngineDied) and e.reason == DISK_FULL]  # noqa: E731
        await until(lambda: len(full()) > QUICK_DEATHS_ALLOWED, "the engine is tried again and again on the full disk")

        ballast.unlink(missing_ok=True)
        await until(lambda: isinstance(events[-1], EngineStarted), "the engine is back")
        async with counting_worker(client, task_queue, Notes()):
            results = [await result_of(handle) for handle in accepted]

    assert results == [1] * len(accepted)
    assert not any(isinstance(event, EngineGivenUp) for event in events)


async def start_until_refused(client: Client, task_queue: str, accepted: list[WorkflowHandle]) -> None:
    memo = {f"ballast-{number}": "x" * 15_000 for number in range(14)}  # each too small to lie beside the history
    while True:
        name = f"run-{len(accepted)}"
        accepted.append(await start_counting(client, 2, id=name, task_queue=task_queue, memo=memo))

"""Heartbeats of calls and effects: from before the ledger is asked until it has the result."""

import asyncio
from collections.abc import Callable
from typing import Any

from temporalio import activity
from temporalio.worker import ActivityInboundInterceptor, ExecuteActivityInput

from outlive.ledger.outages import outages_waited_out

BEAT_SECONDS = 1.0


class Alive(ActivityInboundInterceptor):
    """Keeps activities of one kind alive while they wait, for a model, a tool or the ledger.

    An attempt that waits for a ledger which cannot be reached is not taken for dead, so that no other one waits beside
    it and makes the same call; and what was paid for is recorded when the ledger is back.
    """

    def __init__(self, next: ActivityInboundInterceptor, is_kept: Callable[[str], bool]) -> None:  # noqa: A002
        """Args: is_kept: Tells of an activity's type whether it is kept alive."""
        super().__init__(next)
        self._is_kept = is_kept

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        """Run the activity, beating."""
        if not self._is_kept(activity.info().activity_type):
            return await super().execute_activity(input)
        beating = asyncio.create_task(beat())
        try:
            with outages_waited_out():
                return await super().execute_activity(input)
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)


async def beat() -> None:
    """Let the activity that runs here be seen to be alive, until cancelled."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(BEAT_SECONDS)

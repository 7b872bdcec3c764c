"""``python -m outlive.worker.housekeeping``: one round, behind all other work, until it is done or nobody wants it."""

import asyncio
import os
import sys

from outlive.engine.connection import connect
from outlive.engine.home import Home
from outlive.errors import HousekeepingBusy, OutliveError
from outlive.housekeeping.records import sole_round
from outlive.housekeeping.rounds import keep_house
from outlive.settings import Settings
from outlive.worker.children import parent_gone

NICENESS = 15  # of 19: whatever else wants the processor has it


async def _run(settings: Settings) -> None:
    keeping = asyncio.create_task(_keep(settings))
    orphaned = asyncio.create_task(parent_gone(drain_timeout=0))
    await asyncio.wait({keeping, orphaned}, return_when=asyncio.FIRST_COMPLETED)
    orphaned.cancel()
    if not keeping.done():
        keeping.cancel()
    await keeping


async def _keep(settings: Settings) -> None:
    with sole_round(Home(settings.home)) as recorder:
        recorder.begin()
        try:
            report = await keep_house(await connect(settings), settings, gently=True)
        except Exception as error:
            recorder.fail(str(error) if isinstance(error, OutliveError) else repr(error))
            raise
        recorder.end(report)


def main() -> None:
    """Do one round."""
    os.nice(NICENESS)
    try:
        asyncio.run(_run(Settings.load()))
    except (HousekeepingBusy, asyncio.CancelledError):  # somebody else is at it; or nobody wants it any more
        return
    except OutliveError as error:
        sys.exit(f"Error: {error}")


if __name__ == "__main__":
    main()

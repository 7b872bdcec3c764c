"""Starts a workflow, and waits for its end: ``python starter.py ORDER [SECONDS...]``."""

import asyncio
import sys
from datetime import timedelta

from workflows import Dunning, DunningWorkflow

from outlive import Client


async def main(order: str, *seconds: str) -> None:
    async with Client() as client:
        temporal = await client.temporal()
        handle = await temporal.start_workflow(
            DunningWorkflow.run,
            Dunning(order=order, waits=[timedelta(seconds=float(wait)) for wait in seconds or ("5", "10")]),
            id=f"dunning/{order}",
            task_queue=client.settings.task_queue,
        )
        print(f"{handle.id}: {await handle.result()}")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

"""A process of its own that runs a `Supervisor` with stand-in workers, for tests that kill it.

    python supervised.py HOME PORT WORKERS

Prints one JSON line when all is up, and one for each event after it.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from outlive.settings import Settings
from outlive.worker.supervisor import Supervisor

WORKER = """
import asyncio, signal
from outlive.worker.children import parent_gone
from outlive.settings import Settings

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    orphaned = asyncio.create_task(parent_gone(drain_timeout=Settings.load().drain_timeout))
    orphaned.add_done_callback(lambda _: stop.set())
    print("serving", flush=True)
    await stop.wait()
    orphaned.cancel()

asyncio.run(main())
"""


def tell(event: object) -> None:
    sys.stdout.write(json.dumps({"event": type(event).__name__}) + "\n")
    sys.stdout.flush()


async def main(home: str, port: str, workers: str) -> None:
    settings = Settings(home=Path(home), port=int(port), drain_timeout=1.0)
    supervisor = Supervisor(settings, workers=int(workers), command=[sys.executable, "-c", WORKER], on_event=tell)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, supervisor.ask_stop)
    async with supervisor:
        up = {"pid": os.getpid(), "engine": supervisor.engine_pid, "workers": supervisor.worker_pids}
        sys.stdout.write(json.dumps(up) + "\n")
        sys.stdout.flush()
        await supervisor.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))

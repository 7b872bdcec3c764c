"""A limit over a fleet: how many calls a minute come, at most and at least, counted at the model server.

    python bench/fleet_limit.py                     # 600 a minute over 4 workers, for 3 minutes
    python bench/fleet_limit.py --postgres          # the ledger in a PostgreSQL that is started for it
    python bench/fleet_limit.py --minutes 1.5       # a short one

There is more to do than the limit allows, all the time. Every minute is looked at, wherever it begins.
"""

import argparse
import asyncio
import contextlib
import os
import sys
from bisect import bisect_left
from dataclasses import replace
from pathlib import Path

from measuring import cpu_seconds, fresh_folder, save, table
from outlive.engine.home import Home
from outlive.engine.server import EngineServer
from outlive.settings import Settings

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))  # the harness of the crash tests: what is measured is what is tested

HEADER = ("what", "figure")
MINUTE = 60.0
TOLERANCE = 0.05


def within(arrivals: list[float], begin: float, seconds: float) -> int:
    """Return how many calls came in so many seconds from a moment on."""
    return bisect_left(arrivals, begin + seconds) - bisect_left(arrivals, begin)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, default=600, help="calls a minute")
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--postgres", action="store_true", help="keep the ledger in a PostgreSQL")
    options = parser.parse_args()
    from crash.batch.projects import project_in, texts
    from engines import until
    from postgres import PostgresServer

    os.environ["PYTHONPATH"] = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    folder = fresh_folder("fleet_limit")
    home = Home(folder / ".outlive")
    seconds = options.minutes * MINUTE
    server = PostgresServer(is_synced=True) if options.postgres else None
    with contextlib.ExitStack() as stack:
        if server is not None:
            stack.callback(server.remove)
            server.start()
        ledger = "" if server is None else server.new_database()
        async with home.own(), EngineServer(home, Settings(home=home.path)) as engine:
            os.environ["TEMPORAL_ADDRESS"] = engine.address
            settings = Settings(home=folder / "one" / ".outlive", task_queue="fleet", drain_timeout=5.0, ledger=ledger)
            limited = replace(settings, requests_per_minute=f"openai:counting={options.limit}")
            async with project_in(settings, os.environ.__setitem__, latency=0.2) as project:
                workers = [project.start_worker(settings=limited) for _ in range(options.workers)]
                many = texts(int(options.limit * (options.minutes + 1)))
                windows = {"windows_in_flight": 2 * options.workers, "window_size": 50}
                handle = await project.begin(many, "fleet", windows=windows, concurrency=64)
                await until(lambda: project.model.counts.calls > 0, "a first call")
                cpu = cpu_seconds(worker.pid for worker in workers)
                await asyncio.sleep(seconds)
                cpu = cpu_seconds(worker.pid for worker in workers) - cpu
                seen = [calls.begun for calls in project.model.counts.documents.values()]
                await handle.cancel()
    arrivals = sorted(at for begun in seen for at in begun)
    first = arrivals[0]
    whole = [at for at in arrivals if at + MINUTE <= first + seconds]
    most = max(within(arrivals, at, MINUTE) for at in whole)
    least = min(within(arrivals, at + 1e-6, MINUTE) for at in whole)
    used = within(arrivals, first, seconds)
    allowed = options.limit * options.minutes
    rows = [
        ("limit, calls a minute", options.limit),
        ("workers", options.workers),
        ("ledger", "PostgreSQL" if options.postgres else "SQLite"),
        ("minutes looked at", len(whole)),
        ("most calls in any minute", most),
        ("… of the limit", f"{most / options.limit:.1%}"),
        ("fewest calls in any minute", least),
        ("calls in all", used),
        ("… of what was allowed", f"{used / allowed:.1%}"),
        ("CPU of the workers, ms a call", f"{1000 * cpu / used:.2f}"),
    ]
    print(table(HEADER, rows))
    save("fleet_limit", {"header": HEADER, "rows": rows, "load": os.getloadavg()})
    if most > options.limit * (1 + TOLERANCE) or used < allowed * (1 - TOLERANCE):
        sys.exit("The limit was not held within 5 %, or not used to 95 %.")


if __name__ == "__main__":
    asyncio.run(main())

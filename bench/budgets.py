"""One budget, many runs, several worker processes, one of them killed with -9: is it a hard stop?

    python bench/budgets.py                               # 64 runs on 4 workers
    python bench/budgets.py --postgres                    # the ledger in a PostgreSQL that is started for it
    python bench/budgets.py --runs 16 --workers 2         # a short one

What was spent is counted outside, at the model server: calls times their price. While it runs, the ledger's spent,
doubtful and held sums are read every 20 ms. Every promise is checked, and one that is broken ends it with an error.
The same is a test: ``tests/crash/money``.
"""

import argparse
import asyncio
import contextlib
import os
import sys
from pathlib import Path

from measuring import fresh_folder, save, table
from outlive.engine.home import Home
from outlive.engine.server import EngineServer
from outlive.settings import Settings

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))  # the harness of the crash tests: what is measured is what is tested

HEADER = ("what", "figure")
NANOS = 1_000_000_000


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=64)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--cap", default="", help="dollars; half of what the runs need, if left out")
    parser.add_argument("--postgres", action="store_true", help="keep the ledger in a PostgreSQL, synced to disk")
    options = parser.parse_args()
    from crash.agents.projects import world
    from crash.money.apps import CALL
    from crash.money.projects import money_project
    from crash.money.storm import CALLS, storm
    from postgres import PostgresServer

    found = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(found)  # where the workers find the app
    folder = fresh_folder("budgets")
    home = Home(folder / ".outlive")
    cap = int(float(options.cap) * NANOS) if options.cap else options.runs * CALLS * CALL // 2
    server = PostgresServer(is_synced=True) if options.postgres else None
    with contextlib.ExitStack() as stack:
        if server is not None:
            stack.callback(server.remove)
            server.start()
        ledger = "" if server is None else server.new_database()
        async with world() as outside, home.own(), EngineServer(home, Settings(home=home.path)) as engine:
            os.environ["TEMPORAL_ADDRESS"] = engine.address
            own = Settings(home=folder / "one" / ".outlive", task_queue="budgets", drain_timeout=5.0, ledger=ledger)
            async with money_project(own, outside) as project:
                seen = await storm(project, runs=options.runs, workers=options.workers, cap=cap)
    seen.check()
    rows = [
        ("runs on worker processes", f"{options.runs} on {options.workers}"),
        ("cap", f"${cap / NANOS:.6f}"),
        ("spent outside when all waited", f"${seen.spent_outside / NANOS:.6f}"),
        ("most ever spent, doubtful and held in the ledger", f"${seen.most_in_ledger / NANOS:.6f}"),
        ("runs that waited", str(seen.parked)),
        ("runs that finished after the raise", str(options.runs)),
        ("calls recorded", str(seen.done_in_ledger)),
        ("the ledger's total", f"${seen.record.spent['usd_nanos'] / NANOS:.6f}"),
        ("recorded calls times their price", f"${options.runs * CALLS * CALL / NANOS:.6f}"),
        ("calls outside", str(seen.calls_outside)),
        ("of them made again: in flight at the kill", str(seen.repeated)),
        ("completed calls made again", str(seen.completed_repeated)),
        ("counted for these at most", f"${seen.record.doubtful['usd_nanos'] / NANOS:.6f}"),
        ("seconds until all waited", f"{seen.to_pause:.1f}"),
        ("seconds from the raise to the end of all", f"{seen.to_finish:.1f}"),
    ]
    print(table(HEADER, rows))
    save("budgets", {"header": HEADER, "rows": rows, "load": os.getloadavg()})


if __name__ == "__main__":
    asyncio.run(main())

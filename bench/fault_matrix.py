"""The fault matrix: for each effect policy a worker is killed with -9 at each moment, and the outside is counted.

    python bench/fault_matrix.py                      # 20 times each: 500 runs
    python bench/fault_matrix.py --times 2 --side-by-side 4
    python bench/fault_matrix.py --database postgresql+psycopg://user@127.0.0.1:5432/users

What is counted is counted by an HTTP service and by a database, never by Outlive. All defaults are the product's.
"""

import argparse
import asyncio
import os
import statistics
import sys
from collections import defaultdict
from pathlib import Path

from measuring import fresh_folder, save, table
from outlive.engine.home import Home
from outlive.engine.server import EngineServer
from outlive.settings import Settings

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))  # the harness of the crash tests: what is measured is what is tested

HEADER = ("policy", "killed", "runs", "lost", "done twice", "asked a person", "to the end, median s", "worst s")
CALLED = {
    "idempotent": "idempotent, key honoured",
    "unheeded": "idempotent, key ignored",
    "transactional": "transactional",
    "checked": "checked",
    "once": "once",
}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--side-by-side", type=int, default=6)
    parser.add_argument("--database", help="SQLAlchemy URL of the user's database; a SQLite file, if left out")
    options = parser.parse_args()
    from crash.agents.projects import world
    from crash.effects.matrix import POLICIES, Point, Struck, matrix
    from crash.workers import UNTOLD

    folder = fresh_folder("fault-matrix")
    home = Home(folder / ".outlive")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])
    turns = asyncio.Semaphore(options.side_by_side)
    found: dict[tuple[str, Point], list[Struck]] = defaultdict(list)
    async with (
        home.own(),
        EngineServer(home, Settings(home=home.path)) as engine,
        world() as outside,
        matrix(outside, folder, options.database) as tried,
    ):
        os.environ["TEMPORAL_ADDRESS"] = engine.address

        async def one(policy: str, point: Point, number: int) -> None:
            async with turns:
                run = await tried.struck(policy, point, f"{policy}-{point.name}-{number}")
            assert run.status in {-9, UNTOLD}, run
            found[policy, point].append(run)
            print(f"{policy:<14} {point:<32} {number:>2}   done {run.done}   {run.seconds:5.1f} s", flush=True)

        places = [(policy, point, number) for number in range(options.times) for policy in POLICIES for point in Point]
        await asyncio.gather(*(one(*place) for place in places))
    rows = [
        (
            CALLED[policy],
            str(point),
            len(runs),
            sum(run.done == 0 for run in runs),
            sum(run.done > 1 for run in runs),
            sum(run.was_asked for run in runs),
            round(statistics.median(run.seconds for run in runs), 1),
            round(max(run.seconds for run in runs), 1),
        )
        for policy in POLICIES
        for point in Point
        for runs in [found[policy, point]]
    ]
    print(table(HEADER, rows))
    save("fault_matrix", {"header": HEADER, "rows": rows, "load": os.getloadavg()})


if __name__ == "__main__":
    asyncio.run(main())

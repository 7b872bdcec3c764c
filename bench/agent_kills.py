"""An agent whose worker is killed with -9 at each boundary of 12 tool calls, and worker and engine under `outlive up`.

    python bench/agent_kills.py                                # all 76 boundaries, 12 kills with one worker, with two,
                                                               # and 12 of the engine
    python bench/agent_kills.py --boundaries 8 --supervised 2  # a short one

Each boundary is a run of its own. Its worker kills itself exactly there, and another worker process is there at once
(forked, 50 ms), so that what is measured is how long it takes to notice. The supervised kills come from outside at a
moment that has nothing to do with the calls, and the worker, one of one or of two, is started again by the supervisor,
imports and all; so is the engine, whose workers live on. The time counts from the kill to the next call that arrives at
the model or at the tool's server; where none is left to come, to the end of the run. All defaults are the product's.
"""

import argparse
import asyncio
import os
import random
import signal
import statistics
import sys
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from measuring import fresh_folder, save, table
from outlive.client import Client
from outlive.engine.home import Home
from outlive.engine.server import EngineServer
from outlive.settings import Settings
from outlive.testing.faults import Moment
from outlive.worker.supervisor import Supervisor

TESTS = Path(__file__).parents[1] / "tests"
sys.path.insert(0, str(TESTS))  # the harness of the crash tests: what is measured is what is tested

HEADER = ("killed", "runs", "calls", "calls made again", "next call after, median s", "worst s")
Row = tuple[str, int, int, int, float, float]

if TYPE_CHECKING:
    from crash.agents.boundaries import Killed
    from outside import Outside


async def boundaries(folder: Path, outside: "Outside", options: argparse.Namespace) -> list[Row]:
    from crash.agents.boundaries import BOUNDARIES, CALLS, MOMENTS, PROMPT, killed_at
    from crash.agents.projects import agent_project

    home = Home(folder / ".outlive")
    settings = Settings(home=home.path)
    turns = asyncio.Semaphore(options.side_by_side)
    async with home.own(), EngineServer(home, settings) as engine, AsyncExitStack() as stack:
        os.environ["TEMPORAL_ADDRESS"] = engine.address

        async def project(name: str) -> Any:
            own = Settings(home=folder / name / ".outlive", task_queue=name)
            return await stack.enter_async_context(agent_project(own, outside))

        whole = await project("whole")
        whole.start_worker()
        unkilled = await whole.ended(await whole.begin("actor", PROMPT, "whole"))

        async def one(moment: Any, number: int) -> "Killed":
            async with turns:
                killed = await killed_at(await project(f"{moment}-{number}"), moment, number)
                killed.check(unkilled)
                print(f"{moment:<15} {number:>3}   {killed.resumed_after:5.1f} s", flush=True)
                return killed

        chosen = BOUNDARIES if options.boundaries == 0 else random.sample(BOUNDARIES, options.boundaries)
        runs = await asyncio.gather(*(one(*boundary) for boundary in chosen))
    os.environ.pop("TEMPORAL_ADDRESS")
    found = []
    for kind in [*MOMENTS, Moment.RUN_ENDING]:
        of_kind = [run for run in runs if run.moment == kind]
        times, calls = [run.resumed_after for run in of_kind], sum(run.calls for run in of_kind)
        found.append(row(kind.value, times, calls=calls, again=calls - CALLS * len(of_kind)))
    return found


async def supervised(
    folder: Path, outside: "Outside", options: argparse.Namespace, *, workers: int, kills_engine: bool = False
) -> list[Row]:
    from crash.agents.apps import app
    from engines import until

    settings = Settings(home=folder / ".outlive")
    times: list[float] = []
    repeated = 0
    chance = random.Random(options.seed)
    supervisor = Supervisor(settings, app="crash.agents.apps:app", workers=workers, reload=False)
    async with supervisor, Client(settings, app=app) as client:
        for number in range(options.supervised):
            run = f"supervised-{workers}-{kills_engine}-{number}"
            handle = await client.start_run("actor", f"[run {run}] Act 60 times.", run_id=run)
            seen = chance.randrange(3, 60)
            await until(
                lambda run=run, seen=seen: len(outside.of(run)) >= seen and len(supervisor.worker_pids) == workers,
                "calls",
                deadline=120.0,
            )
            await asyncio.sleep(chance.random() * 0.2)
            pid = supervisor.engine_pid if kills_engine else chance.choice(supervisor.worker_pids)
            assert pid is not None
            killed = time.time()
            os.kill(pid, signal.SIGKILL)
            result = await handle.result()
            assert result.output == "acted 60 times; heard 1", result.output
            later = [call.begun for call in outside.of(run) if call.begun > killed]
            times.append(later[0] - killed)
            repeated += sum(outside.repeated(run).values()) - len(outside.repeated(run))
            print(
                f"{'engine' if kills_engine else 'worker'}, {workers}   {number + 1:>3}   {times[-1]:5.1f} s",
                flush=True,
            )
    victim = f"the engine of {workers}" if kills_engine else f"one of {workers}"
    name = f"{victim} workers under a supervisor, at any time"
    return [row(name, times, calls=options.supervised * 121 + repeated, again=repeated)]


def row(name: str, times: Sequence[float], *, calls: int, again: int) -> Row:
    median, worst = (statistics.median(times), max(times)) if times else (float("nan"), float("nan"))
    return name, len(times), calls, again, round(median, 1), round(worst, 1)


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--boundaries", type=int, default=0, help="so many, drawn by chance; 0 takes all")
    parser.add_argument("--side-by-side", type=int, default=4)
    parser.add_argument(
        "--supervised", type=int, default=12, help="kills of a worker under a supervisor, and of an engine"
    )
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    from crash.agents.projects import world

    found = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    os.environ["PYTHONPATH"] = os.pathsep.join(found)  # where the workers find the app
    os.environ["OBSTACLE"] = "none"
    async with world() as outside:
        rows = await boundaries(fresh_folder("agent-kills"), outside, options)
        if options.supervised:
            for workers in (1, 2):
                folder = fresh_folder(f"agent-kills-supervised-{workers}")
                rows += await supervised(folder, outside, options, workers=workers)
            folder = fresh_folder("agent-kills-engine")
            rows += await supervised(folder, outside, options, workers=1, kills_engine=True)
    print(table(HEADER, rows))
    save("agent_kills", {"header": HEADER, "rows": rows, "load": os.getloadavg()})


if __name__ == "__main__":
    asyncio.run(main())

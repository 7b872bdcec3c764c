"""What it costs to look at a run of thousands of steps: the first outline, a delta, an entry, and the memory.

    python bench/console_runs.py                 # 500 and 2,000 steps: some 5 minutes on 2 cores
    python bench/console_runs.py --steps 5000    # some 15 minutes, most of it for making the run
    python bench/console_runs.py --steps 100     # short

A step is a model call and a tool call. Prints a table, and keeps the figures in ``bench/.cache/console_runs.json``.
"""

import argparse
import asyncio
import gc
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any

from agent_app import looker
from agent_runs import Project, chain_of, project
from measuring import resident_megabytes, save, table
from outlive.api.server import spare_imports
from outlive.api.views_traces import OutlineView
from outlive.trace.outlines import Outlines
from outlive.trace.reading import TraceReader

RESULT_SIZE = 1_000  # bytes of a tool's result
TICK_SECONDS = 0.005
TIMES = 5
WITHIN = 0.5
HEADER = (
    *("steps", "workflow runs", "events", "rows", "whole trace s", "CPU s", "first outline s", "CPU s"),
    *("loop held CPU ms", "first rows s", "JSON MB", "JSON CPU ms", "nothing new ms", "CPU ms", "entry ms", "CPU ms"),
    "memory MB",
)


class Loop:
    """Measures what CPU time the event loop's thread used at most between two turns of others."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        """Go on until it is cancelled."""
        while True:
            began = time.thread_time()
            await asyncio.sleep(TICK_SECONDS)
            self.longest = max(self.longest, time.thread_time() - began)


async def timed(work: Callable[[], Awaitable[Any]]) -> tuple[float, float, Any]:
    """Return the seconds that something took, those of CPU of this process, and what came of it."""
    began, used = time.perf_counter(), time.process_time()
    found = await work()
    return time.perf_counter() - began, time.process_time() - used, found


async def medians(work: Callable[[], Awaitable[Any]]) -> tuple[float, float]:
    """Return milliseconds of the clock and of CPU."""
    taken = [(await timed(work))[:2] for _ in range(TIMES)]
    clock, used = (statistics.median(column) * 1e3 for column in zip(*taken, strict=True))
    return clock, used


async def look_at(running: Project, run_id: str, steps: int) -> list[object]:
    """Measure one run that has ended."""
    client, workflow_id = running.client, f"agent/{looker.name}/{run_id}"
    temporal = await client.temporal()
    chain = await chain_of(temporal, workflow_id)

    def outlines() -> Outlines:
        return Outlines(client.temporal, client.settings, ledger=client.ledger)

    spare_imports()  # as the server does
    before = resident_megabytes(os.getpid())
    loop, read = Loop(), outlines()
    watching = asyncio.create_task(loop.watch())
    first, first_cpu, outline = await timed(lambda: read.outline(workflow_id))
    watching.cancel()
    gc.collect()
    memory = resident_megabytes(os.getpid()) - before
    progressive = outlines()
    first_rows, _, _ = await timed(lambda: progressive.outline(workflow_id, within=WITHIN))
    await progressive.aclose()
    began = time.thread_time()
    size = len(OutlineView.of(outline).model_dump_json())
    dumped = time.thread_time() - began
    nothing = await medians(lambda: read.outline(workflow_id, since=outline.cursor))
    middle = outline.entries[len(outline.entries) // 2].id
    entry = await medians(lambda: read.entry(workflow_id, middle))
    reader = TraceReader(temporal, client.settings, ledger=client.ledger)
    whole, whole_cpu, _ = await timed(lambda: reader.read(workflow_id))
    return [
        *(steps, len(chain.events), sum(chain.events), len(outline.entries), whole, whole_cpu, first, first_cpu),
        *(loop.longest * 1e3, first_rows, size / 1e6, dumped * 1e3, *nothing, *entry, memory),
    ]


async def follow(running: Project, run_id: str, steps: int) -> dict[str, Any]:
    """Look at a run every second while it goes on, as a page does; return what CPU a look took, and its rows."""
    client, workflow_id = running.client, f"agent/{looker.name}/{run_id}"
    making = asyncio.create_task(running.look(steps, RESULT_SIZE, run_id))
    read = Outlines(client.temporal, client.settings, ledger=client.ledger)
    cursor, taken, rows = "", [], []
    while not making.done():
        await asyncio.sleep(1.0)
        _, spent, outline = await timed(lambda: read.outline(workflow_id, since=cursor))  # noqa: B023 - run at once
        if cursor:
            taken.append(spent * 1e3)
            rows.append(len(outline.entries))
        cursor = outline.cursor
    await making
    await read.aclose()
    tenth = max(1, len(taken) // 10)
    return {
        "looks": len(taken),
        "first tenth, CPU ms": statistics.median(taken[:tenth]),
        "last tenth": statistics.median(taken[-tenth:]),
        "longest": max(taken),
        "rows a look": statistics.mean(rows),
    }


async def measure(given: argparse.Namespace) -> dict[str, Any]:
    rows, live = [], {}
    async with project("console-runs") as running:
        for steps in given.steps:
            run_id = f"run-{steps}"
            live[steps] = await follow(running, run_id, steps)
            print(f"\n{steps} steps, looked at every second while it went on\n")
            print(table([*live[steps]], [[*live[steps].values()]]), flush=True)
            rows.append(await look_at(running, run_id, steps))
            print("\n" + table(HEADER, [rows[-1]]), flush=True)
    print("\n" + table(HEADER, rows))
    load = os.getloadavg()
    print(f"\nload {load[0]:.1f} / {load[1]:.1f} / {load[2]:.1f}, {os.cpu_count()} cores")
    return {"header": HEADER, "rows": rows, "live": live, "load": load}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--steps", type=int, nargs="*", default=[500, 2_000])
    print(f"\nFigures in {save('console_runs', asyncio.run(measure(options.parse_args())))}")


if __name__ == "__main__":
    main()

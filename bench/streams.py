"""The event log of runs: events appended, time until a follower sees them, and what idle followers cost.

    python bench/streams.py [--quick]

Prints tables, and keeps the figures in ``bench/.cache/streams.json``.
"""

import argparse
import asyncio
import json
import os
import statistics
import sys
import time
from asyncio.subprocess import PIPE
from pathlib import Path
from typing import Any

from measuring import cpu_seconds, file_megabytes, fresh_folder, save, table
from outlive.contracts.events import EventKind, NewEvent
from outlive.streams.log import StreamLog
from outlive.streams.writing import StreamWriter

STREAMS = 20  # that talk at once
TOKENS_PER_SECOND = 50.0  # of each, while latency is measured
EVENTS_PER_FLUSH = 5_000
FOLLOWERS = 50
BENCH = Path(__file__).parent


def delta(stream: str) -> NewEvent:
    return NewEvent(stream=stream, kind=EventKind.TEXT_DELTA, call="c1", data={"text": " token"})


def progress(stream: str) -> NewEvent:
    return NewEvent(stream=stream, kind=EventKind.TOOL_PROGRESS, call="t1", data={"text": " token"})


async def append(path: Path, events: int, *, joined: bool) -> None:
    """Append events as fast as they are taken, and print how long that took once the process was up."""
    make = delta if joined else progress
    async with StreamWriter(path) as writer:
        began = time.perf_counter()
        for number in range(events):
            writer.append(make(f"s{number % STREAMS}"))
            if number % EVENTS_PER_FLUSH == EVENTS_PER_FLUSH - 1:
                await writer.flush()
        await writer.flush()
        print(json.dumps({"seconds": time.perf_counter() - began, "cpu": time.process_time()}))


async def talk(path: Path, seconds: float, *, rest: float) -> None:
    """Say tokens at the pace of models, each with the moment of its appending; ``rest`` seconds apart, if given."""
    pause = rest or 1 / TOKENS_PER_SECOND
    async with StreamWriter(path) as writer:
        for number in range(int(seconds / pause)):
            for stream in range(STREAMS):
                data = {"sent": time.time(), "number": number}
                writer.append(NewEvent(stream=f"s{stream}", kind=EventKind.TOOL_PROGRESS, call="t", data=data))
            await asyncio.sleep(pause)
        for stream in range(STREAMS):
            writer.append(NewEvent(stream=f"s{stream}", kind=EventKind.RUN_ENDED))


async def started(*arguments: object) -> asyncio.subprocess.Process:
    program = [sys.executable, str(BENCH / "streams.py"), *map(str, arguments)]
    return await asyncio.create_subprocess_exec(*program, stdout=PIPE)


async def throughput(writers: int, events: int, *, joined: bool) -> list[object]:
    path = fresh_folder("streams") / "streams.db"
    each = events // writers
    processes = [await started("append", path, each, int(joined)) for _ in range(writers)]
    told = [json.loads((await process.communicate())[0]) for process in processes]
    async with StreamLog(path) as log:
        rows = sum([(await log.last_offset(f"s{number}") or 0) + 1 for number in range(STREAMS)])
    seconds = max(figures["seconds"] for figures in told)
    kind = "text deltas, joined" if joined else "single events"
    return [kind, writers, events, rows, events / seconds, rows / seconds, file_megabytes(path)]


async def latency(followers: int, seconds: float, *, rest: float) -> list[object]:
    path = fresh_folder("streams") / "streams.db"
    taken: list[float] = []

    async def follow(log: StreamLog, stream: str) -> None:
        async for event in log.follow(stream):
            sent = event.data.get("sent")
            if sent is not None:
                taken.append(time.time() - sent)

    async with StreamLog(path) as log:
        reading = [asyncio.create_task(follow(log, f"s{number % STREAMS}")) for number in range(followers)]
        process = await started("talk", path, seconds, rest)
        before, began = cpu_seconds([os.getpid()]), time.perf_counter()
        await asyncio.gather(*reading)
        share = (cpu_seconds([os.getpid()]) - before) / (time.perf_counter() - began)
        await process.wait()
    cuts = statistics.quantiles(taken, n=100)
    pace = f"one token in {rest:g} s" if rest else f"{TOKENS_PER_SECOND:g} tokens/s"
    return [f"{STREAMS} streams, {pace} each", followers, len(taken), cuts[49] * 1e3, cuts[98] * 1e3, share * 100]


async def idle(followers: int, seconds: float) -> list[object]:
    path = fresh_folder("streams") / "streams.db"

    async def follow(log: StreamLog, stream: str) -> None:
        async for _ in log.follow(stream):
            pass

    async with StreamWriter(path) as writer:
        for number in range(FOLLOWERS):
            writer.append(progress(f"s{number}"))
    async with StreamLog(path) as log:
        reading = [asyncio.create_task(follow(log, f"s{number}")) for number in range(followers)]
        await asyncio.sleep(5)  # until looks are as seldom as they get
        before, began = cpu_seconds([os.getpid()]), time.perf_counter()
        await asyncio.sleep(seconds)
        share = (cpu_seconds([os.getpid()]) - before) / (time.perf_counter() - began)
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading, return_exceptions=True)
    return [followers, share * 100]


async def measure(*, quick: bool) -> dict[str, Any]:
    events, seconds = (40_000, 4.0) if quick else (400_000, 20.0)
    appended = [await throughput(writers, events, joined=joined) for joined in (False, True) for writers in (1, 4)]
    header = ["appended", "writer processes", "events", "rows", "events/s", "rows/s", "MB"]
    print(table(header, appended), end="\n\n")
    seen = [await latency(count, seconds, rest=rest) for count, rest in ((1, 0.0), (FOLLOWERS, 0.0), (FOLLOWERS, 4.0))]
    header = ["seen by followers in another process", "followers", "events", "p50 ms", "p99 ms", "reader's CPU %"]
    print(table(header, seen), end="\n\n")
    resting = [await idle(count, seconds) for count in (0, 1, FOLLOWERS)]
    print(table(["idle followers", "CPU %"], resting))
    return {"appended": appended, "seen": seen, "idle": resting}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("part", nargs="*", help="for the processes that this script starts")
    parser.add_argument("--quick", action="store_true")
    asked = parser.parse_args()
    match asked.part:
        case ["append", path, events, joined]:
            asyncio.run(append(Path(path), int(events), joined=joined == "1"))
        case ["talk", path, seconds, rest]:
            asyncio.run(talk(Path(path), float(seconds), rest=float(rest)))
        case _:
            print(f"\nkept in {save('streams', asyncio.run(measure(quick=asked.quick)))}")


if __name__ == "__main__":
    main()

"""Processes that write and read the event log are killed: what was flushed stays, in order, at dense offsets."""

import asyncio
import contextlib
import json
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

from crash.disks import fill
from engines import until
from outlive.contracts.events import EventKind, NewEvent, RunEvent
from outlive.streams.log import StreamLog
from outlive.streams.writing import StreamWriter

WRITERS = 4
STREAMS = 20
READERS = 10
ROUNDS = 300  # of one event for each stream

WRITE = f"""
import asyncio, sys
from pathlib import Path
from outlive.contracts.events import NewEvent
from outlive.streams.writing import StreamWriter

async def main(path, name, rounds):
    async with StreamWriter(path) as writer:
        for number in range(rounds):
            for stream in range({STREAMS}):
                data = {{"number": number, "filler": "x" * 200}}
                writer.append(NewEvent(stream=f"s{{stream}}", kind="tool_progress", call=name, data=data))
            if number % 7 == 0:
                await writer.flush()
                print(number, flush=True)
        await writer.flush()
        print(rounds - 1, flush=True)

asyncio.run(main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
"""

READ = """
import asyncio, json, sys
from pathlib import Path
from outlive.streams.log import StreamLog

async def main(path, from_):
    async with StreamLog(path) as log:
        async for event in log.follow("s0", from_):
            print(json.dumps([event.offset, event.data.get("number")]), flush=True)

asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2])))
"""


@contextlib.asynccontextmanager
async def running(program: str, *arguments: object) -> AsyncIterator[Process]:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, *map(str, arguments), stdout=PIPE)
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def flushed(process: Process) -> int:
    """The last round that a writer has flushed, once it has ended or was killed."""
    assert process.stdout is not None
    lines = (await process.stdout.read()).decode().splitlines(keepends=True)
    await process.wait()
    return max((int(line) for line in lines if line.endswith("\n")), default=-1)


async def followed(path: Path, stream: str, end: asyncio.Future) -> list[RunEvent]:
    async with StreamLog(path) as log:
        return [event async for event in log.follow(stream, until=end)]


async def test_a_writer_killed_in_mid_append_takes_nothing_with_it_that_was_flushed(tmp_path: Path):
    path = tmp_path / "streams.db"
    end = asyncio.get_running_loop().create_future()
    readers = [asyncio.create_task(followed(path, f"s{number}", end)) for number in range(READERS)]
    async with contextlib.AsyncExitStack() as stack:
        victim = await stack.enter_async_context(running(WRITE, path, "victim", 1_000_000))
        others = [
            await stack.enter_async_context(running(WRITE, path, f"w{number}", ROUNDS)) for number in range(1, WRITERS)
        ]
        for _ in range(5):
            await victim.stdout.readline()
        victim.kill()
        victim_flushed = max(await flushed(victim), 4 * 7)
        assert [await flushed(other) for other in others] == [ROUNDS - 1] * len(others)
    end.set_result(None)
    seen = await asyncio.gather(*readers)

    async with StreamLog(path) as log:
        for number in range(STREAMS):
            events = await log.read(f"s{number}", limit=1_000_000)
            assert [event.offset for event in events] == list(range(len(events)))
            for writer in range(1, WRITERS):
                assert numbers(events, f"w{writer}") == list(range(ROUNDS))
            of_victim = numbers(events, "victim")
            assert of_victim == list(range(len(of_victim)))
            assert len(of_victim) > victim_flushed
            if number < READERS:
                assert seen[number] == events


async def test_a_reader_killed_in_mid_stream_goes_on_where_it_was(tmp_path: Path):
    path = tmp_path / "streams.db"
    seen: list[tuple[int, int | None]] = []
    async with running(WRITE, path, "w", ROUNDS) as writing:
        while len(seen) < ROUNDS - 50:
            from_ = seen[-1][0] + 1 if seen else 0
            async with running(READ, path, from_) as reading:
                seen += [tuple(json.loads(await reading.stdout.readline())) for _ in range(50)]
                reading.kill()
        assert await flushed(writing) == ROUNDS - 1
    async with StreamWriter(path) as writer:
        writer.append(NewEvent(stream="s0", kind=EventKind.RUN_ENDED))
    async with running(READ, path, seen[-1][0] + 1) as reading:
        rest, _ = await reading.communicate()
    seen += [tuple(json.loads(line)) for line in rest.splitlines()]

    assert seen == [(number, number) for number in range(ROUNDS)] + [(ROUNDS, None)]


async def test_a_disk_that_is_full_stops_no_work_and_all_goes_on_when_there_is_room(small_disk: Path):
    path = small_disk / "streams.db"
    async with StreamWriter(path) as writer, StreamLog(path) as log:
        writer.append(event(0))
        assert await writer.flush()
        fill(small_disk / "ballast")
        for number in range(1, 500):
            writer.append(event(number))
        assert not await writer.flush()
        assert [found.data["number"] for found in await log.read("s")] == [0]

        (small_disk / "ballast").unlink()
        await until(lambda: writer.trouble is None, "the events to be written")

        assert await writer.flush()
        assert [found.data["number"] for found in await log.read("s")] == list(range(500))
        assert writer.dropped == 0


def event(number: int) -> NewEvent:
    return NewEvent(stream="s", kind=EventKind.TOOL_PROGRESS, call="t", data={"number": number, "filler": "x" * 2_000})


def numbers(events: list[RunEvent], call: str) -> list[int]:
    return [event.data["number"] for event in events if event.call == call]

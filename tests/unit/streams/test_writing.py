"""What is appended is there once, in order, at dense offsets; and writing is never in the way."""

import asyncio
import json
import sqlite3
import stat
import sys
import threading

import pytest
from sqlalchemy import Engine, event

from outlive.contracts.events import EventKind, NewEvent
from outlive.errors import LedgerError
from outlive.streams import writing
from outlive.streams.log import StreamLog
from outlive.streams.writing import StreamWriter
from unit.streams.conftest import STREAM, delta, ended, numbers, progress

FILL_THE_DISK = """
import asyncio, json, resource, signal, sys
from pathlib import Path
from outlive.contracts.events import NewEvent
from outlive.streams.writing import StreamWriter

def limit(size):
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

def tell(writer, kind, number):
    data = {"number": number, "text": "x" * 3_000}
    writer.append(NewEvent(stream="s", kind=kind, call="c", data=data))

async def main(path):
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    async with StreamWriter(path, largest_queue=60_000) as writer:
        tell(writer, "turn_started", 0)
        before = await writer.flush()
        limit(path.with_name(path.name + "-wal").stat().st_size + 8_000)
        for number in range(1, 21):
            tell(writer, "tool_progress", number)
        during = await writer.flush()
        for number in range(21, 81):
            tell(writer, "tool_started" if number % 10 == 0 else "tool_progress", number)
        again = await writer.flush()
        trouble, dropped = writer.trouble, writer.dropped
        limit(resource.RLIM_INFINITY)
        while writer.trouble is not None:
            await asyncio.sleep(0.01)
        after = await writer.flush()
        seen = {"flushed": [before, during, again, after], "trouble": trouble, "dropped": dropped}
        print(json.dumps(seen | {"dropped_after": writer.dropped}))

asyncio.run(main(Path(sys.argv[1])))
"""


async def test_the_file_is_for_its_owner_alone(writer, path):
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_what_was_flushed_is_there_at_dense_offsets_in_its_order(writer, log):
    for number in range(200):
        writer.append(progress(number, stream=f"s{number % 3}"))
    assert await writer.flush()

    for place in range(3):
        events = await log.read(f"s{place}")
        assert [event.offset for event in events] == list(range(len(events)))
        assert numbers(events) == list(range(place, 200, 3))


async def test_an_event_is_read_as_it_was_written(writer, log):
    writer.append(
        NewEvent(
            stream=STREAM, kind=EventKind.TOOL_ENDED, call="t1", attempt=3, data={"tool": "é", "n": [1, None]}, at=12.5
        )
    )
    await writer.flush()

    (event,) = await log.read(STREAM)
    assert (event.stream, event.offset, event.at, event.kind) == (STREAM, 0, 12.5, EventKind.TOOL_ENDED)
    assert (event.call, event.attempt, event.data) == ("t1", 3, {"tool": "é", "n": [1, None]})


async def test_deltas_of_one_call_that_come_together_are_one_event(writer, log, monkeypatch):
    monkeypatch.setattr(writing, "FLUSH_SECONDS", 60.0)
    writer.append(progress(0))
    await writer.flush()  # the next commit is a minute away, or at the next flush
    for text in ("a", "b", "c"):
        writer.append(delta(text))
        writer.append(delta(text.upper(), stream="other"))
    await writer.flush()

    assert [event.data for event in await log.read(STREAM, 1)] == [{"text": "abc"}]
    assert [event.data for event in await log.read("other")] == [{"text": "ABC"}]


@pytest.mark.parametrize(
    "second",
    [{"attempt": 2}, {"call": "c2"}, {"kind": EventKind.THINKING_DELTA}, {"data": {"text": "b", "part": 1}}],
)
async def test_deltas_that_differ_in_more_than_their_text_stay_apart(writer, log, second):
    writer.append(delta("a"))
    writer.append(delta("b", **second))
    await writer.flush()

    assert [event.data["text"] for event in await log.read(STREAM)] == ["a", "b"]


async def test_an_event_between_two_deltas_keeps_its_place(writer, log):
    writer.append(delta("a"))
    writer.append(progress(1))
    writer.append(delta("b"))
    await writer.flush()

    assert [event.data for event in await log.read(STREAM)] == [{"text": "a"}, {"number": 1}, {"text": "b"}]


async def test_no_text_of_a_long_delta_is_lost(writer, log):
    text = "".join(chr(0x1F600 + number % 50) for number in range(50_000))
    writer.append(delta(text))
    await writer.flush()

    events = await log.read(STREAM)
    assert "".join(event.data["text"] for event in events) == text
    assert not any("cut" in event.data for event in events)


async def test_many_events_share_few_transactions(writer, log):
    commits = []

    def count(connection):
        commits.append(connection)

    event.listen(Engine, "commit", count)
    try:
        for number in range(2_000):
            writer.append(progress(number))
        await writer.flush()
    finally:
        event.remove(Engine, "commit", count)

    assert await log.last_offset(STREAM) == 1_999
    assert len(commits) < 10


async def test_a_note_is_written_once_however_often_it_is_said(path, log):
    for _ in range(2):
        async with StreamWriter(path) as writer:
            writer.append(progress(1, note_id="n1"))
            writer.append(progress(1, note_id="n1"))
            writer.append(progress(1, note_id="n1", stream="other"))
            writer.append(progress(2, note_id="n2"))
            await writer.flush()

    assert [(item.offset, item.data["number"]) for item in await log.read(STREAM)] == [(0, 1), (1, 2)]
    assert numbers(await log.read("other")) == [1]


async def test_what_threads_append_is_there(writer, log):
    def work(thread):
        for number in range(100):
            writer.append(progress(number, stream=f"thread-{thread}"))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        await asyncio.to_thread(thread.join)
    await writer.flush()

    for number in range(4):
        assert numbers(await log.read(f"thread-{number}")) == list(range(100))


async def test_two_writers_of_one_stream_share_its_offsets(path, log):
    async with StreamWriter(path) as one, StreamWriter(path) as two:
        for number in range(50):
            one.append(progress(number, call="one"))
            two.append(progress(number, call="two"))
            if number % 10 == 0:
                await asyncio.gather(one.flush(), two.flush())

    events = await log.read(STREAM)
    assert [item.offset for item in events] == list(range(100))
    for name in ("one", "two"):
        assert numbers(item for item in events if item.call == name) == list(range(50))


async def test_closing_writes_what_is_queued(path, log):
    async with StreamWriter(path) as writer:
        for number in range(100):
            writer.append(progress(number))

    assert numbers(await log.read(STREAM)) == list(range(100))


async def test_a_writer_that_is_closed_says_so(path):
    async with StreamWriter(path) as writer:
        pass
    await writer.aclose()

    with pytest.raises(LedgerError, match="is not open for writing"):
        writer.append(ended())
    with pytest.raises(LedgerError, match="is not open for writing"):
        await writer.flush()


async def test_an_event_that_no_database_takes_is_dropped_alone(writer, log, caplog):
    for number in range(10):
        writer.append(progress(number, call="\ud83d" if number == 4 else "t1"))
    await writer.flush()
    writer.append(progress(10))
    await writer.flush()

    assert numbers(await log.read(STREAM)) == [0, 1, 2, 3, 5, 6, 7, 8, 9, 10]
    assert [item.offset for item in await log.read(STREAM)] == list(range(10))
    assert writer.dropped == 1
    assert [record.levelname for record in caplog.records] == ["WARNING"]


async def test_a_full_disk_stops_nobody_and_says_what_is_missing(path, log):
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", FILL_THE_DISK, str(path), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, warnings = await process.communicate()
    seen = json.loads(output)

    assert seen["flushed"] == [True, False, False, True]
    assert seen["trouble"]
    assert seen["dropped"] == seen["dropped_after"] > 0
    assert warnings.decode().count("were dropped") == 1
    events = await log.read("s")
    assert [item.offset for item in events] == list(range(len(events)))
    assert numbers(events) == sorted(numbers(events))
    assert len(events) == 81 - seen["dropped"]
    assert sum(item.data.get("missed", 0) for item in events) == seen["dropped"]
    assert {30, 40, 50, 60, 70, 80} <= set(numbers(events))  # no delta, no progress: kept


async def test_another_process_that_holds_the_file_is_waited_for(writer, log, path):
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    writer.append(progress(1))
    flushing = asyncio.ensure_future(writer.flush())
    held, _ = await asyncio.wait([flushing], timeout=0.3)
    assert not held

    other.execute("COMMIT")
    other.close()

    assert await flushing
    assert numbers(await log.read(STREAM)) == [1]


async def test_a_file_that_is_no_event_log_is_named(path):
    path.parent.mkdir()
    path.write_bytes(b"this is not a database, whatever its name says" * 100)

    with pytest.raises(LedgerError, match=f"The event log '{path}' cannot be opened: file is not a database"):
        await StreamWriter(path).__aenter__()
    with pytest.raises(LedgerError, match="file is not a database"):
        await StreamLog(path).read(STREAM)

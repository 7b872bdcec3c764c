"""Readers see every event once, in order, from where they left off; before, while and after it is written."""

import asyncio
import sqlite3

import pytest

from outlive.contracts.events import EventKind
from outlive.errors import LedgerError
from outlive.streams.log import EVENTS_PER_PAGE, StreamLog
from outlive.streams.writing import StreamWriter
from unit.streams.conftest import STREAM, collected, delta, ended, first, numbers, progress


async def written(writer, count, stream=STREAM, start=0, **values):
    for number in range(start, start + count):
        writer.append(progress(number, stream=stream, **values))
    await writer.flush()


async def test_a_file_that_is_not_there_holds_no_events_and_is_not_made(log, path):
    assert await log.read(STREAM) == []
    assert await log.last_offset(STREAM) is None
    assert await log.last_events() == {}
    assert await log.prune(["s"], 1e12) == 0
    assert not path.exists()


async def test_a_page_begins_and_ends_where_it_is_asked_to(writer, log):
    await written(writer, 20)

    assert numbers(await log.read(STREAM, 5, 3)) == [5, 6, 7]
    assert numbers(await log.read(STREAM, 18)) == [18, 19]
    assert await log.read(STREAM, 20) == []
    assert await log.last_offset(STREAM) == 19
    assert await log.read("another") == []


async def test_following_begins_before_the_file_and_the_stream_are_there(log, path):
    following = asyncio.create_task(collected(log))
    await asyncio.sleep(0)
    async with StreamWriter(path) as writer:
        await written(writer, 3, stream="another")
        await written(writer, 3)
        writer.append(ended())

    assert numbers(await following) == [0, 1, 2]


async def test_following_ends_with_the_run(writer, log):
    await written(writer, EVENTS_PER_PAGE * 2 + 10)
    writer.append(ended())
    await writer.flush()

    events = await collected(log)
    assert [event.offset for event in events] == list(range(EVENTS_PER_PAGE * 2 + 11))
    assert await collected(log, from_=events[-1].offset + 1) == []


async def test_following_goes_on_where_a_run_was_started_again(writer, log):
    await written(writer, 2)
    writer.append(ended())
    await written(writer, 2, start=2)
    writer.append(ended())
    await writer.flush()

    assert numbers(await collected(log)) == [0, 1, 2, 3]


async def test_a_reader_that_died_goes_on_at_the_next_offset(writer, log, path):
    await written(writer, 10)
    seen = await first(4, log.follow(STREAM))
    async with StreamLog(path) as another:
        following = asyncio.create_task(collected(another, from_=seen[-1].offset + 1))
        await written(writer, 5, start=10)
        writer.append(ended())
        await writer.flush()

        assert numbers(seen) + numbers(await following) == list(range(15))


async def test_what_is_there_when_the_end_is_known_is_still_read(writer, log):
    until = asyncio.get_running_loop().create_future()
    following = asyncio.create_task(collected(log, until=until))
    await written(writer, 700)
    until.set_result(None)

    assert numbers(await following) == list(range(700))


async def test_a_known_end_is_enough_where_nothing_was_ever_written(log):
    until = asyncio.get_running_loop().create_future()
    following = asyncio.create_task(collected(log, until=until))
    held, _ = await asyncio.wait([following], timeout=0.1)
    assert not held

    until.set_result(None)

    assert await following == []


async def test_fifty_followers_see_all_and_share_one_look(writer, log, monkeypatch):
    looks = []
    watched = log._watched
    monkeypatch.setattr(log, "_watched", lambda names, last: (looks.append(names), watched(names, last))[1])
    following = [asyncio.create_task(collected(log, stream=f"s{number % 10}")) for number in range(50)]
    for chunk in range(5):
        for number in range(10):
            await written(writer, 20, stream=f"s{number}", start=chunk * 20)
    for number in range(10):
        writer.append(ended(f"s{number}"))
    await writer.flush()

    for events in await asyncio.gather(*following):
        assert numbers(events) == list(range(100))
    assert {len(names) for names in looks} <= set(range(1, 11))
    assert log._poller._task is None


async def test_a_look_costs_no_more_than_a_version_while_nothing_is_committed(writer, log):
    await written(writer, 1)
    names = frozenset({STREAM})

    seen = log._watched(names, None)
    assert seen.offsets == {STREAM: 1}
    assert log._watched(names, seen) is None
    assert log._watched(frozenset({STREAM, "new"}), seen).offsets == {STREAM: 1}
    await written(writer, 1)
    assert log._watched(names, seen).offsets == {STREAM: 2}


async def test_a_look_that_nobody_waits_for_hides_nothing_from_the_next(writer, log):
    await written(writer, 1)
    seen = log._watched(frozenset({STREAM}), None)
    await written(writer, 1, start=1)
    log._watched(frozenset({STREAM}), seen)  # for a follower that has gone meanwhile

    assert log._watched(frozenset({STREAM}), seen).offsets == {STREAM: 2}


async def test_pruning_removes_what_is_named_and_old_and_nothing_else(writer, log):
    await written(writer, 3, stream="named and old", at=100.0)
    await written(writer, 3, stream="old", at=100.0)
    await written(writer, 3, stream="named and going on", at=100.0)
    await written(writer, 1, stream="named and going on", start=3, at=300.0)

    assert await log.last_events() == {"named and old": 100.0, "old": 100.0, "named and going on": 300.0}
    assert await log.prune(["named and old", "named and going on", "unknown"], 200.0) == 1
    assert await log.last_offset("named and old") is None
    assert await log.last_offset("old") == 2
    assert numbers(await log.read("named and going on")) == [0, 1, 2, 3]


async def test_pruning_many_streams_leaves_no_event_behind(writer, log, path):
    for number in range(100):
        writer.append(progress(number, stream=f"s{number}", at=1.0))
    await writer.flush()

    assert await log.prune([f"s{number}" for number in range(100)], 2.0) == 100
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT COUNT(*) FROM events").fetchone() == (0,)
    connection.close()


async def test_a_stream_that_was_pruned_and_begins_again_is_followed_from_its_beginning(writer, log):
    await written(writer, 10, at=1.0)
    events = log.follow(STREAM)
    seen = [await anext(events) for _ in range(10)]
    await log.prune([STREAM], 2.0)
    following = asyncio.ensure_future(anext(events))
    await written(writer, 2, start=100)

    again = await following
    await events.aclose()
    assert numbers(seen) == list(range(10))
    assert (again.offset, again.data) == (0, {"number": 100})


async def test_a_reader_that_does_not_read_holds_up_no_one(writer, log):
    slow = log.follow(STREAM)
    await written(writer, 1)
    assert (await anext(slow)).offset == 0
    following = asyncio.create_task(collected(log))
    await written(writer, 1_000, start=1)
    writer.append(ended())

    assert numbers(await following) == list(range(1_001))
    assert numbers([event async for event in slow]) == list(range(1, 1_001))


async def test_who_follows_a_log_that_is_closed_is_told(writer, log):
    await written(writer, 1)
    following = asyncio.create_task(collected(log))
    await asyncio.wait([following], timeout=0.1)

    await log.aclose()

    with pytest.raises(LedgerError, match="closed while it was followed"):
        await following


async def test_who_follows_a_file_that_breaks_is_told(log, path):
    following = asyncio.create_task(collected(log))
    await asyncio.wait([following], timeout=0.1)
    path.parent.mkdir()
    path.write_bytes(b"this is not a database, whatever its name says" * 100)

    with pytest.raises(LedgerError, match="cannot be opened"):
        await following


async def test_deltas_and_kinds_are_read_as_plain_text(writer, log):
    writer.append(delta("a", kind="a_kind_of_tomorrow"))
    await writer.flush()

    (event,) = await log.read(STREAM)
    assert event.kind == "a_kind_of_tomorrow"
    assert event.kind not in set(EventKind)

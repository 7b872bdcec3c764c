"""An event log on PostgreSQL: shared by machines, beside the ledger; an outage of the server is waited out."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from engines import until
from outlive.errors import LedgerError
from outlive.ledger.ledger import Ledger
from outlive.settings import Settings
from outlive.streams.log import StreamLog
from outlive.streams.schema import streams_of
from outlive.streams.writing import StreamWriter
from unit.streams.conftest import STREAM, collected, delta, ended, numbers, progress


@pytest.fixture
async def writer(postgres_url: str) -> AsyncIterator[StreamWriter]:
    async with StreamWriter(postgres_url) as opened:
        yield opened


@pytest.fixture
async def log(postgres_url: str) -> AsyncIterator[StreamLog]:
    async with StreamLog(postgres_url) as opened:
        yield opened


def test_a_projects_log_is_where_its_ledger_is(tmp_path):
    assert streams_of(Settings(home=tmp_path)) == tmp_path / "streams.db"
    assert streams_of(Settings(home=tmp_path, ledger="postgresql://u@h/d")) == "postgresql://u@h/d"


async def test_a_log_and_a_ledger_share_a_database(postgres_url, writer, log):
    async with Ledger(postgres_url) as ledger:
        assert await ledger.call(ledger.batches.ids) == []
    writer.append(delta("a\0b é \U0001f600"))
    writer.append(progress(1, attempt=2))
    await writer.flush()

    events = await log.read(STREAM)
    assert [event.data for event in events] == [{"text": "a\0b é \U0001f600"}, {"number": 1}]
    assert [(event.offset, event.attempt) for event in events] == [(0, 1), (1, 2)]


async def test_writers_that_begin_and_continue_the_same_streams_at_once_share_their_offsets(postgres_url, log):
    streams = [f"s{number}" for number in range(5)]

    async def write(name: str) -> None:
        async with StreamWriter(postgres_url) as writer:
            for number in range(40):
                for stream in sorted(streams, reverse=name == "b"):
                    writer.append(progress(number, call=name, stream=stream))
                if number % 10 == 0:
                    await writer.flush()

    await asyncio.gather(*(write(name) for name in "abcd"))

    for stream in streams:
        events = await log.read(stream)
        assert [event.offset for event in events] == list(range(160))
        for name in "abcd":
            assert numbers(event for event in events if event.call == name) == list(range(40))


async def test_a_note_is_written_once_by_however_many_writers(postgres_url, log):
    async def write() -> None:
        async with StreamWriter(postgres_url) as writer:
            writer.append(progress(1, note_id="n1"))
            writer.append(progress(2, note_id="n2"))

    await asyncio.gather(*(write() for _ in range(5)))

    assert numbers(await log.read(STREAM)) == [1, 2]


async def test_a_follower_on_another_machine_sees_what_comes(writer, log):
    following = asyncio.create_task(collected(log))
    for number in range(30):
        writer.append(progress(number))
        if number % 10 == 0:
            await writer.flush()
    writer.append(ended())

    assert numbers(await following) == list(range(30))


async def test_pruning_removes_what_is_named_and_old(writer, log):
    writer.append(progress(1, stream="old", at=100.0))
    writer.append(progress(1, stream="new", at=300.0))
    await writer.flush()

    assert await log.prune(["old", "new"], 200.0) == 1
    assert await log.last_events() == {"new": 300.0}


async def test_a_server_that_stops_is_waited_out_by_writers_and_followers(own_postgres):
    url = own_postgres.new_database()
    async with StreamWriter(url) as writer, StreamLog(url) as log:
        following = asyncio.create_task(collected(log))
        writer.append(progress(0))
        await writer.flush()
        assert await log.last_offset(STREAM) == 0
        own_postgres.stop()
        writer.append(progress(1))
        assert not await writer.flush()
        assert writer.trouble
        writer.append(progress(2))
        own_postgres.start()
        writer.append(ended())

        assert numbers(await following) == [0, 1, 2]
        await until(lambda: writer.trouble is None, "the writer has written")
        assert writer.dropped == 0


async def test_a_refusal_names_the_log_without_its_password(own_postgres):
    url = own_postgres.new_database()
    async with StreamLog(url.replace("/ledger_", "/nothing_")) as log:
        with pytest.raises(LedgerError) as caught:
            await log.read(STREAM)

    assert "The event log 'postgresql://outlive:***@127.0.0.1:" in str(caught.value)
    assert own_postgres.password not in str(caught.value)

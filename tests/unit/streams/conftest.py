"""A real event log in a file that does not exist yet."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from outlive.contracts.events import EventKind, NewEvent
from outlive.streams.log import StreamLog
from outlive.streams.writing import StreamWriter

STREAM = "agent/support/order-4711"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "streams.db"


@pytest.fixture
async def writer(path: Path) -> AsyncIterator[StreamWriter]:
    async with StreamWriter(path) as opened:
        yield opened


@pytest.fixture
async def log(path: Path) -> AsyncIterator[StreamLog]:
    async with StreamLog(path) as opened:
        yield opened


def delta(text: str, stream: str = STREAM, **values: object) -> NewEvent:
    return NewEvent(**{"stream": stream, "kind": EventKind.TEXT_DELTA, "call": "c1", "data": {"text": text}, **values})


def progress(number: int, stream: str = STREAM, **values: object) -> NewEvent:
    return NewEvent(
        **{"stream": stream, "kind": EventKind.TOOL_PROGRESS, "call": "t1", "data": {"number": number}, **values}
    )


def ended(stream: str = STREAM, **values: object) -> NewEvent:
    return NewEvent(**{"stream": stream, "kind": EventKind.RUN_ENDED, **values})


def numbers(events) -> list[int]:
    return [event.data["number"] for event in events if "number" in event.data]


async def collected(log: StreamLog, stream: str = STREAM, from_: int = 0, until=None) -> list:
    return [event async for event in log.follow(stream, from_, until)]


async def first(count: int, events) -> list:
    """The first so many of the events that are followed; following ends then."""
    found = []
    async for event in events:
        found.append(event)
        if len(found) == count:
            break
    await events.aclose()
    return found

"""The queue is bounded, and what it had to drop is told by the next event of the same stream."""

import json

from outlive.contracts.events import EventKind, NewEvent
from outlive.streams.pending import PendingEvents
from unit.streams.conftest import delta, progress


def started(number, stream="s"):
    return NewEvent(stream=stream, kind=EventKind.TOOL_STARTED, call="t", data={"number": number, "args": "a" * 800})


def told(events):
    return [json.loads(item.encoded()) for item in events]


def test_the_oldest_deltas_are_dropped_first_and_the_next_event_tells():
    pending = PendingEvents(largest=10_000)
    dropped = pending.add(started(0), 1.0)
    for number in range(12):
        dropped += pending.add(delta("x" * 1_000, stream="s", call=str(number)), 1.0)

    data = told(pending.take())
    assert data[0]["number"] == 0
    assert "missed" not in data[0]
    assert data[1]["missed"] == dropped > 0
    assert len(data) == 13 - dropped


def test_without_deltas_the_oldest_events_are_dropped():
    pending = PendingEvents(largest=10_000)
    dropped = sum(pending.add(started(number), 1.0) for number in range(30))

    data = told(pending.take())
    assert [item["number"] for item in data] == list(range(dropped, 30))
    assert data[0]["missed"] == dropped > 0


def test_a_stream_whose_queued_events_were_all_dropped_tells_later():
    pending = PendingEvents(largest=3_000)
    pending.add(progress(0, stream="quiet"), 1.0)
    dropped = sum(pending.add(started(number), 1.0) for number in range(3))
    pending.take()
    pending.add(NewEvent(stream="quiet", kind=EventKind.TURN_ENDED), 1.0)
    pending.add(NewEvent(stream="quiet", kind=EventKind.RUN_ENDED), 1.0)

    assert dropped > 0
    assert told(pending.take()) == [{"missed": 1}, {}]


def test_memory_stays_bounded_whatever_comes():
    pending = PendingEvents(largest=50_000)
    for number in range(5_000):
        pending.add(delta("y" * 500, stream=f"s{number % 7}"), 1.0)
        pending.add(started(number), 1.0)

    assert sum(item.size for item in pending.take()) <= 50_000

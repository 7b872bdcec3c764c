"""A person sees what the last attempt of each call has said, and nothing of those that failed."""

from itertools import count

import pytest

from outlive.contracts.events import EventKind, RunEvent
from outlive.streams.transcript import GAP, Transcript


@pytest.fixture
def event():
    offsets = count()

    def made(kind, text="", call="c1", attempt=1, **data):
        data = {"text": text, **data} if text else data
        return RunEvent(stream="s", offset=next(offsets), at=1.0, kind=kind, call=call, attempt=attempt, data=data)

    return made


def test_the_texts_of_a_call_are_joined(event):
    transcript = Transcript(
        [
            event(EventKind.MODEL_CALL_STARTED),
            event(EventKind.THINKING_DELTA, "hm"),
            event(EventKind.TEXT_DELTA, "Hel"),
            event(EventKind.TEXT_DELTA, "lo", call="c2"),
            event(EventKind.TEXT_DELTA, "lo"),
            event(EventKind.MODEL_CALL_ENDED),
        ]
    )

    call = transcript.calls["c1"]
    assert (call.text, call.thinking, call.is_ended, call.is_failed) == ("Hello", "hm", True, False)
    assert list(transcript.calls) == ["c1", "c2"]


@pytest.mark.parametrize("is_start_seen", [True, False])
def test_a_new_attempt_discards_what_the_one_before_said(event, is_start_seen):
    transcript = Transcript(
        [
            event(EventKind.MODEL_CALL_STARTED),
            event(EventKind.TEXT_DELTA, "The answer is 4"),
            event(EventKind.MODEL_CALL_FAILED, type="Cut", message="cut off"),
        ]
    )
    assert transcript.calls["c1"].is_failed

    if is_start_seen:
        transcript.add(event(EventKind.MODEL_CALL_STARTED, attempt=2))
        assert transcript.calls["c1"].text == ""
    transcript.add(event(EventKind.TEXT_DELTA, "It is 42", attempt=2))

    call = transcript.calls["c1"]
    assert (call.text, call.attempt, call.is_failed) == ("It is 42", 2, False)


def test_the_same_attempt_started_again_discards_too(event):
    transcript = Transcript(
        [
            event(EventKind.MODEL_CALL_STARTED),
            event(EventKind.TEXT_DELTA, "half"),
            event(EventKind.MODEL_CALL_STARTED),
            event(EventKind.TEXT_DELTA, "whole"),
        ]
    )

    assert transcript.calls["c1"].text == "whole"


def test_a_worker_that_was_given_up_is_not_heard(event):
    transcript = Transcript(
        [event(EventKind.MODEL_CALL_STARTED, attempt=2), event(EventKind.TEXT_DELTA, "x", attempt=2)]
    )

    assert transcript.add(event(EventKind.TEXT_DELTA, "stale", attempt=1)) is None
    assert transcript.calls["c1"].text == "x"


def test_events_seen_before_change_nothing(event):
    events = [event(EventKind.MODEL_CALL_STARTED), event(EventKind.TEXT_DELTA, "a"), event(EventKind.TEXT_DELTA, "b")]
    transcript = Transcript(events)

    for seen in events[1:]:
        transcript.add(seen)

    assert transcript.calls["c1"].text == "ab"
    assert transcript.next_offset == 3


def test_the_first_event_again_begins_anew(event):
    events = [event(EventKind.TEXT_DELTA, "a"), event(EventKind.TEXT_DELTA, "b")]
    transcript = Transcript([*events, *events])

    assert transcript.calls["c1"].text == "ab"


def test_a_text_with_a_hole_shows_it(event):
    transcript = Transcript([event(EventKind.TEXT_DELTA, "a"), event(EventKind.TEXT_DELTA, "z", missed=7)])

    assert transcript.calls["c1"].text == f"a{GAP}z"


def test_events_of_no_call_belong_to_none(event):
    transcript = Transcript()

    assert transcript.add(event(EventKind.TURN_STARTED, call=None)) is None
    assert transcript.next_offset == 1

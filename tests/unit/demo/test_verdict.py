"""The demonstration's verdict holds only where both books say that each document was done once."""

from dataclasses import replace

import pytest

from outlive.demo.corpus import corpus, standard_library
from outlive.demo.killing import PLAN
from outlive.demo.verdict import Recorded, judge

KILLS = len(PLAN)


def document(number, **changes):
    return replace(
        Recorded(uri=f"http://127.0.0.1:1/files/{number}.py", status="done", recorded_at=20.0, times_begun=1), **changes
    )


def served(*numbers, **changes):
    return {f"/files/{number}.py": {"begun": 1, "completed": 1, "last_begun": 10.0} | changes for number in numbers}


def test_documents_done_once_hold():
    assert judge([document(1), document(2)], served(1, 2), kills=KILLS).holds(kills=KILLS, in_flight=2)


def test_a_document_begun_again_because_it_was_in_flight_holds_and_is_counted():
    verdict = judge([document(1, times_begun=2)], served(1, begun=2, completed=1), kills=KILLS)

    assert (verdict.begun_again, verdict.read_again, verdict.done_twice) == (1, 1, 0)
    assert verdict.holds(kills=KILLS, in_flight=2)


@pytest.mark.parametrize(
    ("recorded", "counts", "named"),
    [
        (document(1, status=None, recorded_at=0.0), served(1), "lost"),
        (document(1), {}, "lost"),
        (document(1), served(1, completed=0), "lost"),
        (document(1, status="failed"), served(1), "failed"),
        (document(1, times_begun=2), served(1, begun=2, completed=2, last_begun=30.0), "done_twice"),
    ],
)
def test_what_was_lost_failed_or_done_twice_breaks_the_verdict(recorded, counts, named):
    verdict = judge([recorded], counts, kills=KILLS)

    assert getattr(verdict, named) == 1
    assert not verdict.holds(kills=KILLS, in_flight=2)


def test_more_repeated_reads_than_there_were_documents_in_flight_break_the_verdict():
    counts = served(1, begun=1 + 2 * KILLS)

    assert judge([document(1)], counts, kills=KILLS).holds(kills=KILLS, in_flight=2)
    assert not judge([document(1)], counts, kills=KILLS).holds(kills=KILLS, in_flight=1)


def test_too_few_deaths_break_the_verdict():
    assert not judge([document(1)], served(1), kills=KILLS - 1).holds(kills=KILLS, in_flight=2)


def test_the_corpus_is_700_real_modules_or_more():
    names = corpus()

    assert len(names) >= 700
    assert len(set(names)) == len(names)
    assert all((standard_library() / name).is_file() for name in names[:20])

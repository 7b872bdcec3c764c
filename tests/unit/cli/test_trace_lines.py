"""A trace as text."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from outlive.cli.trace_lines import TraceLines
from outlive.trace.model import Failure, ModelCall, ToolCall, Trace, TraceTurn, Value

BEGAN = datetime(2026, 5, 1, tzinfo=UTC)
NOW = BEGAN + timedelta(minutes=1)


def value(content: object, ref: str = "1.result", **more: object) -> Value:
    return Value(ref=ref, size=len(str(content)), content=content, **more)


def tool(number: int, **more: object) -> ToolCall:
    given = {"name": "look", "state": "done", "args": value({"n": number}), "result": value("seen"), "attempts": 1}
    return ToolCall(
        id=str(number), kind="tool_call", began_at=BEGAN, activity_id="1", activity_type="t", **(given | more)
    )


def trace(*entries: object, **more: object) -> Trace:
    turn = TraceTurn(id="t1", number=1, said=value("Do it", "t1.said"), began_at=BEGAN, entries=entries)
    given = {"agent": "a", "state": "running", "workflow_status": "RUNNING", "turns": (turn,)}
    return Trace(id="agent/a/one", workflow_type="OutliveAgent", run_id="one", **(given | more))


def text(shown: Trace, *, full: bool = False) -> str:
    lines = TraceLines(shown, full=full, now=NOW).lines()
    return "\n".join(f"{'  ' * line.depth}{line.text}" for line in lines)


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\x07", "\x9b31m", "a\rb", "\u202eabc", "\ud800", "\x7f"])
def test_nothing_that_a_terminal_obeys_is_printed(hostile):
    entry = ModelCall(
        id="1",
        kind="model_call",
        name="model_request",
        state="done",
        began_at=BEGAN,
        activity_id="1",
        activity_type="t",
        model=hostile,
        text=value(hostile),
    )
    failed = tool(2, name=hostile, args=value({hostile: hostile}), result=value([hostile]), state="failed")
    failed = replace(failed, failure=Failure(type=hostile, message=hostile))
    shown = trace(entry, failed, output=value({hostile: hostile}), notes=(hostile,), problem=hostile)

    assert all(line.isprintable() for line in text(shown, full=True).split("\n"))


def test_a_tool_that_asks_the_model_to_try_again_gives_no_result():
    asked = tool(1, verdict="model_retry", result=value("take 2"))

    assert "→ asked the model to try again: take 2" in text(trace(asked))


def test_a_long_turn_shows_how_it_began_and_where_it_stands():
    shown = text(trace(*(tool(number) for number in range(1, 1_001))))

    assert "… 970 more (--full)" in shown
    assert "\n    20  look(n=20)" in shown
    assert "\n    991  look(n=991)" in shown
    assert "  21  look" not in shown
    assert "  21  look" in text(trace(*(tool(number) for number in range(1, 1_001))), full=True)


def test_a_cut_value_says_how_large_it_is_and_how_to_see_it():
    shown = text(trace(tool(1, result=Value(ref="1.result", size=12_345, content="abc", is_cut=True))))

    assert "abc …(12 KB; outlive show a/one --value 1.result)" in shown


def test_a_call_that_is_tried_again_says_when_and_why():
    failure = Failure(type="Busy", message="overloaded")
    entry = tool(1, state="retrying", attempts=2, next_at=NOW + timedelta(seconds=4), failure=failure, result=None)

    shown = text(trace(entry))

    assert "2 attempts  attempt 3 in 4 s" in shown
    assert "because: Busy: overloaded" in shown

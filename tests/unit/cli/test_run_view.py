"""A run as a person sees it: a line for what is worth a line, and words that are void are said to be."""

import io

import pytest

from outlive.cli.run_following import Lasting, Troubles
from outlive.cli.run_view import RunView, Totals, call_line, decision_lines, in_line
from outlive.contracts.agents import Question
from outlive.contracts.events import EventKind, RunEvent
from outlive.engine.run_health import RunHealth, Waiting

QUESTION = Question(question_id="q1", reason="The key is refused.", choices=["retry", "stop"])


class Clock:
    """Time that passes when the test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Seen:
    """A view, and what it has shown."""

    def __init__(self, clock, *, streams):
        self._lines, self._text = io.StringIO(), io.StringIO()
        self.view = RunView(run="a/1", lines_to=self._lines, text_to=self._text, streams=streams, clock=clock)
        self.clock = clock

    def see(self, kind, *, call=None, attempt=1, **data):
        self.view.see(
            RunEvent(stream="agent/a/1", offset=0, at=self.clock.now, kind=kind, call=call, attempt=attempt, data=data)
        )

    @property
    def lines(self):
        return self._lines.getvalue().splitlines()

    @property
    def text(self):
        return self._text.getvalue()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def seen(clock):
    return Seen(clock, streams=True)


def health(**values):
    return RunHealth(workflow_id="agent/a/1", workflow_status="RUNNING", **({"state": "running"} | values))


def test_words_are_shown_as_they_come_and_a_line_about_the_run_begins_a_new_line(seen):
    seen.see(EventKind.MODEL_CALL_STARTED, call="m")
    seen.see(EventKind.TEXT_DELTA, call="m", text="Hello ")
    seen.see(EventKind.TEXT_DELTA, call="m", text="there")
    seen.view.say("a line")

    assert seen.text == "Hello there\n"
    assert seen.view.last_text == "Hello there"


def test_words_of_an_earlier_attempt_are_void(seen):
    seen.see(EventKind.MODEL_CALL_STARTED, call="m")
    seen.see(EventKind.TEXT_DELTA, call="m", text="Hel")
    seen.see(EventKind.MODEL_CALL_STARTED, call="m", attempt=2)
    seen.see(EventKind.TEXT_DELTA, call="m", text="lo")
    seen.see(EventKind.TEXT_DELTA, call="m", attempt=2, text="Hello")

    assert seen.view.last_text == "Hello"
    assert seen.text == "Hel\nHello"
    assert seen.lines == ["(the answer begins anew: attempt 2)"]


def test_without_a_terminal_no_words_are_shown_while_they_come(clock):
    seen = Seen(clock, streams=False)
    seen.see(EventKind.TEXT_DELTA, call="m", text="Hello")

    assert (seen.text, seen.view.last_text) == ("", "Hello")


def test_a_tool_that_asks_the_model_to_try_again_gives_no_result(seen):
    seen.see(EventKind.TOOL_STARTED, call="t", tool="add", args={"a": 1})
    seen.see(EventKind.TOOL_ENDED, call="t", tool="add", result="take 2", verdict="model_retry")

    assert seen.lines == ["· add(a=1) → asked the model to try again: take 2"]


def test_a_tool_call_is_one_line_and_one_that_takes_long_is_named_before(seen, clock):
    seen.see(EventKind.TOOL_STARTED, call="t", tool="add", args={"a": 1, "b": "x"})
    seen.view.tick()
    seen.see(EventKind.TOOL_ENDED, call="t", tool="add", result=3)
    seen.see(EventKind.TOOL_STARTED, call="u", tool="wait", args="{}")
    clock.now += 5
    seen.view.tick()
    seen.view.tick()
    seen.see(EventKind.TOOL_PROGRESS, call="u", tool="wait", text="half")
    seen.see(EventKind.TOOL_ENDED, call="u", tool="wait", result="done")

    assert seen.lines == [
        '· add(a=1, b="x") → 3',
        "· wait() is running",
        "· wait: half",
        "· wait() → done  (5 s)",
    ]


def test_a_failure_says_when_the_call_is_made_again_or_that_it_is_not(seen):
    seen.see(EventKind.MODEL_CALL_FAILED, call="m", type="ModelHTTPError", message="503", retry_in=2.0)
    seen.see(EventKind.TOOL_STARTED, call="t", tool="add", args={})
    seen.see(EventKind.TOOL_FAILED, call="t", tool="add", attempt=3, type="ValueError", message="no", retry_in=None)

    assert seen.lines == [
        "! The model call failed: ModelHTTPError: 503; attempt 2 in 2 s",
        "! add failed: ValueError: no",
    ]


def test_a_question_is_asked_once_with_the_commands_that_decide(seen):
    seen.view.ask(QUESTION)
    seen.see(EventKind.WAITING, question_id="q1", reason="The key is refused.", choices=["retry", "stop"])

    assert seen.lines[0] == "The run waits for a person: The key is refused."
    assert [line.split("   ")[0].strip() for line in seen.lines[1:]] == [
        "outlive decide a/1 retry",
        "outlive decide a/1 stop",
    ]


def test_of_several_questions_each_command_names_its_own():
    lines = decision_lines("a/1", [QUESTION, Question(question_id="q2", reason="Other.", choices=["tell"])])

    assert [line for line in lines if "decide" in line][-1].strip().startswith("outlive decide a/1 tell --question q2")


def test_where_a_key_is_read_is_said_with_the_question_about_a_model():
    about = Question(question_id="q", reason="No key.", choices=["retry"], subject="model")

    assert "start what runs them (`outlive up`) again" in decision_lines("a/1", [about])[1]


def test_kinds_of_a_newer_outlive_are_passed_over(seen):
    seen.see("told_a_joke", text="x")

    assert (seen.lines, seen.text) == ([], "")


def test_what_would_command_a_terminal_is_escaped_in_calls():
    assert call_line("x\x1b", "[\x9b]") == "x\\x1b([\\x9b])"
    assert in_line("a\n\n b\x00") == "a b\\x00"


def test_long_values_are_cut_in_a_line():
    assert in_line("x" * 500) == "x" * 159 + "…"
    assert len(call_line("f", {"a": "y" * 500, "b": "z" * 500})) <= 165


def test_totals_say_for_how_many_calls_no_price_is_known():
    totals = Totals()
    totals.add({"input_tokens": 1000, "output_tokens": 20, "usd_nanos": 10_000_000})
    assert totals.line() == "1 model call, 1,000 + 20 tokens, $0.01"

    totals.add({"input_tokens": None, "usd_nanos": None})
    assert totals.line() == "2 model calls, 1,000 + 20 tokens, $0.01 + 1 call at an unknown price"


def test_trouble_is_told_once_it_has_lasted_and_with_other_numbers_it_is_the_same(clock):
    lasting = Lasting(2.0, clock=clock)

    assert lasting.see("attempt 1 failed") is None
    clock.now += 2
    assert lasting.see("attempt 2 failed") == "attempt 2 failed"
    clock.now += 2
    assert lasting.see("attempt 3 failed") is None
    assert lasting.see(None) is None
    assert lasting.see("attempt 4 failed") is None


def test_a_problem_is_told_and_that_it_is_over_too(seen):
    troubles = Troubles(seen.view, patience=0.0)

    for problem in ("No worker polls.", "No worker polls.", None, None):
        troubles.see(health(problem=problem))

    assert seen.lines == ["No worker polls.", "It goes on."]


def test_the_question_of_a_parked_run_is_asked_though_no_event_told_of_it(seen):
    Troubles(seen.view).see(health(state="parked", questions=[QUESTION]))

    assert seen.lines[0] == "The run waits for a person: The key is refused."


def test_an_attempt_that_an_event_has_announced_is_not_announced_again(seen, clock):
    troubles = Troubles(seen.view, lost_patience=0.0)
    lost = health(waiting=[Waiting(name="agent__a__call_tool", attempt=2, reason="its worker died")])
    seen.see(EventKind.TOOL_FAILED, call="t", tool="x", type="E", message="m", retry_in=1.0)

    troubles.see(lost)
    announced = len(seen.lines)
    seen.see(EventKind.TOOL_ENDED, call="t", attempt=2, tool="x", result=1)
    troubles.see(lost)

    assert announced == 1
    assert seen.lines[-1] == "Attempt 2 at a call of this run: its worker died."

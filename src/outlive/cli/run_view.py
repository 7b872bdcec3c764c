"""A run as it goes on, for a person at a terminal: one line for each thing worth a line, and tokens as they come."""

import contextlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

import click

from outlive.cli.amounts import dollars, duration
from outlive.cli.terminal import shown
from outlive.contracts.agents import Question
from outlive.contracts.events import EventKind, RunEvent
from outlive.trace.model import VERDICTS

LONGEST_VALUE = 160  # characters of arguments and results in a line; `outlive show` has all of them
SLOW_TOOL_SECONDS = 1.0  # a tool that takes longer is named also before it has ended

Clock = Callable[[], float]


def in_line(value: Any, *, longest: int = LONGEST_VALUE) -> str:
    """Return a value in one line, cut where it is long."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join(shown(text[: 4 * longest]).split())
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def call_line(tool: str, arguments: Any) -> str:
    """Return a tool call as it would be written: ``add(a=1, b=2)``."""
    if isinstance(arguments, str):
        with contextlib.suppress(ValueError):
            arguments = json.loads(arguments)
    if not isinstance(arguments, dict):
        return f"{in_line(tool)}({'' if arguments is None else in_line(arguments)})"
    given = ", ".join(
        f"{in_line(name)}={in_line(json.dumps(value, ensure_ascii=False))}" for name, value in arguments.items()
    )
    return f"{in_line(tool)}({in_line(given)})"


def decision_lines(run: str, questions: Sequence[Question]) -> list[str]:
    """Return the lines that tell what a parked run waits for, and the commands that decide."""
    lines = []
    for question in questions:
        is_alone = len(questions) == 1
        lines.append(f"The run waits for a person: {in_line(question.reason, longest=1_000)}")
        if question.subject == "model":
            lines.append("  Workers read the keys: after setting one, start what runs them (`outlive up`) again.")
        lines.extend(
            f"  {question.command(run, choice, is_alone=is_alone)}    {MEANINGS.get(choice, '')}"
            for choice in question.choices
        )
    return [line.rstrip() for line in lines]


MEANINGS = {
    "retry": "tries again, once what was wrong is mended",
    "tell": "tells the model that it failed, which may go another way",
    "stop": "ends the run as failed",
    "approve": "makes the call; with --args JSON, with other arguments",
    "deny": "does not; with --note, the model is told why",
    "answer": "with --value JSON; text alone will do: outlive answer ID TEXT",
    "done": "it did happen; with --value JSON, its result",
    "raise": "goes on under a higher cap: --value 2usd",
    "go_on": "goes on all the same",
    "skip": "leaves this one out, and goes on",
    "undo": "takes back what was done",
    "leave": "leaves what was done as it is",
    "finish": "comes to an end with what there is",
}
"""What each decision does."""


@dataclass(kw_only=True)
class Totals:
    """What the calls that were seen came to."""

    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd_nanos: int = 0
    unpriced: int = 0

    def add(self, facts: dict[str, Any]) -> None:
        """Add one model call, from the facts that are known of it."""
        self.calls += 1
        self.input_tokens += facts.get("input_tokens") or 0
        self.output_tokens += facts.get("output_tokens") or 0
        price = facts.get("usd_nanos")
        self.usd_nanos += price or 0
        self.unpriced += price is None

    def line(self) -> str:
        """Return them in a few words."""
        calls = f"{self.calls:,} model call{'' if self.calls == 1 else 's'}"
        tokens = f"{self.input_tokens:,} + {self.output_tokens:,} tokens"
        if not self.unpriced:
            return f"{calls}, {tokens}, {dollars(self.usd_nanos)}"
        unknown = f"{self.unpriced:,} call{'' if self.unpriced == 1 else 's'} at an unknown price"
        return f"{calls}, {tokens}, {f'{dollars(self.usd_nanos)} + ' if self.usd_nanos else ''}{unknown}"


@dataclass(kw_only=True)
class _Tool:
    line: str
    began: float
    is_named: bool = False


@dataclass(kw_only=True)
class RunView:
    """Shows the events of a run, in their order.

    Attributes:
        run: The run as commands name it: ``AGENT/ID``.
        lines_to: Where lines about the run go.
        text_to: Where the model's words go.
        streams: Whether words are shown as they come, rather than not at all.
        asks: Whether a person who reads it is to hear what the run waits for.
    """

    run: str
    lines_to: TextIO
    text_to: TextIO
    streams: bool
    asks: bool = True
    clock: Clock = time.time
    totals: Totals = field(default_factory=Totals)
    last_text: str = ""
    has_ended: bool = False
    retried: set[int] = field(default_factory=set)
    asked: set[str] = field(default_factory=set)
    _call: str | None = None
    _attempts: dict[str, int] = field(default_factory=dict)
    _tools: dict[str, _Tool] = field(default_factory=dict)
    _is_mid_line: bool = False
    _is_prompting: bool = False

    def see(self, event: RunEvent) -> None:
        """Show one event; one of an attempt that is void by now, or of a kind that is not known, is passed over."""
        if event.call is not None:
            if event.attempt < self._attempts.get(event.call, 0):
                return
            self._attempts[event.call] = event.attempt
        react = _REACTIONS.get(event.kind)
        if react is not None:
            react(self, event)

    def tick(self) -> None:
        """Name the tools that have been running for a while."""
        for tool in self._tools.values():
            if not tool.is_named and self.clock() - tool.began > SLOW_TOOL_SECONDS:
                tool.is_named = True
                self.say(f"· {tool.line} is running", fg="cyan")

    def say(self, line: str, **style: Any) -> None:
        """Write a line about the run."""
        self.end_line()
        click.secho(line, file=self.lines_to, **style)
        self.lines_to.flush()

    def end_line(self) -> None:
        """Begin a new line where the model's words have left off in one."""
        if self._is_mid_line:
            click.echo(file=self.text_to)
            self._is_mid_line = self._is_prompting = False

    def prompt(self, text: str) -> None:
        """Ask for a line of input, unless that is what the last line does."""
        if self._is_prompting:
            return
        self.end_line()
        click.echo(text, file=self.text_to, nl=False)
        self.text_to.flush()
        self._is_mid_line = self._is_prompting = True

    def line_was_typed(self) -> None:
        """Take note that the cursor stands in a new line: a person has pressed Enter."""
        self._is_mid_line = self._is_prompting = False

    def ask(self, question: Question) -> None:
        """Say what the run waits for, once."""
        if self.asks and question.question_id not in self.asked:
            self.asked.add(question.question_id)
            for line in decision_lines(self.run, [question]):
                self.say(line, fg="yellow")

    def model_began(self, event: RunEvent) -> None:
        """Begin to show the words of a model call; those of an earlier attempt are void."""
        if event.attempt > 1 and self._call == event.call and self.last_text:
            self.say(f"(the answer begins anew: attempt {event.attempt})", fg="yellow")
        self._call, self.last_text = event.call, ""

    def text_came(self, event: RunEvent) -> None:
        """Show words as they come."""
        if self._call != event.call:
            self._call, self.last_text = event.call, ""
        text = str(event.data.get("text", ""))
        self.last_text += text
        if self.streams and text:
            if self._is_prompting:
                self.end_line()
            click.echo(shown(text), file=self.text_to, nl=False)
            self.text_to.flush()
            self._is_mid_line = not text.endswith("\n")

    def model_ended(self, event: RunEvent) -> None:
        """Count a call."""
        self.totals.add(event.data)
        self.retried.clear()
        self.end_line()

    def call_failed(self, event: RunEvent) -> None:
        """Say why a call failed, and when it is made again."""
        tool = event.data.get("tool")
        what = f"{in_line(tool)} failed" if tool else "The model call failed"
        reason = in_line(f"{event.data.get('type', '')}: {event.data.get('message', '')}", longest=500)
        pause = event.data.get("retry_in")
        if pause is None:
            self._tools.pop(event.call or "", None)
            self.say(f"! {what}: {reason}", fg="red")
        else:
            self.retried.add(event.attempt + 1)
            self.say(f"! {what}: {reason}; attempt {event.attempt + 1} in {pause:g} s", fg="yellow")

    def tool_began(self, event: RunEvent) -> None:
        """Remember a tool call; it gets its line when it ends, or when it takes long."""
        line = call_line(str(event.data.get("tool", "")), event.data.get("args"))
        self._tools[event.call or ""] = _Tool(line=line, began=event.at)
        if event.attempt > 1:
            self.say(f"· {line}: attempt {event.attempt}", fg="cyan")

    def tool_told(self, event: RunEvent) -> None:
        """Show what a tool reports."""
        self.say(f"· {in_line(event.data.get('tool', ''))}: {in_line(event.data.get('text', ''))}", fg="cyan")

    def tool_ended(self, event: RunEvent) -> None:
        """Show a tool call with its result."""
        tool = self._tools.pop(event.call or "", None)
        line = tool.line if tool else in_line(event.data.get("tool", ""))
        result = event.data.get("result", event.data.get("summary", ""))
        seconds = event.at - tool.began if tool else 0.0
        took = f"  ({duration(seconds)})" if seconds >= SLOW_TOOL_SECONDS else ""
        self.retried.clear()
        verdict = str(event.data.get("verdict", ""))
        made = in_line(f"{VERDICTS.get(verdict, verdict.replace('_', ' '))}:") + " " if verdict else ""
        self.say(f"· {line} → {made}{in_line(result)}{took}", fg="cyan")

    def waits(self, event: RunEvent) -> None:
        """Show a question."""
        self.ask(
            Question(
                question_id=str(event.data.get("question_id", "")),
                reason=str(event.data.get("reason", "")),
                choices=[str(choice) for choice in event.data.get("choices", [])],
                subject=str(event.data.get("subject", "")),
                kind=str(event.data.get("kind", "")),
            )
        )

    def resumed(self, event: RunEvent) -> None:
        """Show what was decided."""
        by = event.data.get("by")
        self.say(f"· decided: {in_line(event.data.get('choice', ''))}{f' by {in_line(by)}' if by else ''}", fg="cyan")

    def child_began(self, event: RunEvent) -> None:
        """Show that another run was begun."""
        name = event.data.get("agent") or event.data.get("workflow") or ""
        self.say(f"· {in_line(name)} begins ({in_line(event.data.get('stream', ''))})", fg="cyan")

    def compacted(self, event: RunEvent) -> None:
        """Show that the conversation was shortened."""
        before, after = event.data.get("messages_before"), event.data.get("messages_after")
        self.say(f"· the conversation was shortened from {before} to {after} messages", fg="cyan")

    def run_ended(self, _: RunEvent) -> None:
        """Take note of the end."""
        self.end_line()
        self.has_ended = True


_REACTIONS: dict[str, Callable[[RunView, RunEvent], None]] = {
    EventKind.MODEL_CALL_STARTED: RunView.model_began,
    EventKind.TEXT_DELTA: RunView.text_came,
    EventKind.MODEL_CALL_ENDED: RunView.model_ended,
    EventKind.MODEL_CALL_FAILED: RunView.call_failed,
    EventKind.TOOL_STARTED: RunView.tool_began,
    EventKind.TOOL_PROGRESS: RunView.tool_told,
    EventKind.TOOL_ENDED: RunView.tool_ended,
    EventKind.TOOL_FAILED: RunView.call_failed,
    EventKind.WAITING: RunView.waits,
    EventKind.RESUMED: RunView.resumed,
    EventKind.CHILD_STARTED: RunView.child_began,
    EventKind.COMPACTED: RunView.compacted,
    EventKind.RUN_ENDED: RunView.run_ended,
}

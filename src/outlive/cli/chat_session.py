"""One sitting of a conversation: what is typed, what is answered, and when to leave."""

import asyncio
import json
import sys
import uuid
from collections import deque
from dataclasses import dataclass
from typing import Any

import click

from outlive.cli.chat_lines import read_lines
from outlive.cli.run_following import follow, look, patiently
from outlive.cli.run_view import RunView, Totals, in_line
from outlive.cli.terminal import shown
from outlive.client import Client
from outlive.contracts.events import EventKind, RunEvent
from outlive.engine.run_health import RunHealth
from outlive.errors import OutliveError, RunError
from outlive.ledger.effects import EffectState
from outlive.runs import Conversation

EXIT_FAILED = 1
EXIT_PARKED = 3
LAST_TURNS = 3  # of a conversation that is gone on with
PROMPT = "you> "
STEERING = "!"
HELP = "Commands: /quit leaves, /close ends the conversation, /cost, /retry, /tell, /stop. A leading ! steers."
DECISIONS = frozenset({"/retry", "/tell", "/stop"})
PAGE = 1_000  # events read at once


@dataclass(frozen=True)
class _Typed:
    """A line of input; None is its end."""

    line: str | None


@dataclass(frozen=True)
class _Changed:
    """Something in the conversation has changed."""


@dataclass(frozen=True)
class _Over:
    """The conversation is over, or cannot be followed."""

    task: "asyncio.Task[RunHealth]"


class ChatSession:
    """Sends what is typed, shows what comes of it. Everything is safe to break off: the conversation is elsewhere."""

    def __init__(self, client: Client, conversation: Conversation[Any], *, patience: float) -> None:
        self.is_over = False
        self._client = client
        self._conversation = conversation
        self._patience = patience
        self._is_streaming = sys.stdout.isatty()
        self._view = RunView(
            run=f"{conversation.agent}/{conversation.run_id}",
            lines_to=sys.stderr,
            text_to=sys.stdout,
            streams=self._is_streaming,
        )
        self._happenings: asyncio.Queue[_Typed | _Changed | _Over] = asyncio.Queue()
        self._outbox: asyncio.Queue[str] = asyncio.Queue()
        self._unsent = 0
        self._due = 0
        self._answered = 0
        self._turns_typed_here: set[int] = set()
        self._open_questions: set[str] = set()
        self._has_failed = False
        self._is_terminal = False
        self._has_input = True
        self._is_closing = False
        self._lines: deque[str] = deque()

    async def talk(self, descriptor: int, *, is_terminal: bool) -> int:
        """Talk until one side ends it; return the exit status.

        Raises:
            RunError: If the conversation has ended already.
        """
        self._is_terminal = is_terminal
        self._view.say(f"Conversation {self._view.run}. {HELP}", dim=True)
        from_ = await self._show_past()
        following = asyncio.create_task(
            follow(
                self._conversation, self._view, patience=self._patience, from_=from_, until=self._see, also=self._note
            )
        )
        following.add_done_callback(lambda task: self._happenings.put_nowait(_Over(task)))
        sending = asyncio.create_task(self._send())
        read_lines(descriptor, lambda line: self._happenings.put_nowait(_Typed(line)))
        try:
            while True:
                self._prompt_if_idle()
                status = await self._react(await self._happenings.get())
                if status is not None:
                    return status
        finally:
            following.cancel()
            sending.cancel()
            await asyncio.gather(following, sending, return_exceptions=True)
            self._view.end_line()

    async def _react(self, happening: _Typed | _Changed | _Over) -> int | None:
        """Do what a happening calls for; return the exit status where it is the last."""
        if isinstance(happening, _Over):
            return self._end(happening.task)
        if isinstance(happening, _Typed):
            self._view.line_was_typed()
            if happening.line is None:
                self._has_input = False
            elif line := happening.line.strip():
                self._lines.append(line)
        while self._lines and self._may_take(self._lines[0]):
            if (status := await self._take(self._lines.popleft())) is not None:
                return status
        return self._leave() if self._may_leave() else None

    def _may_take(self, line: str) -> bool:
        """Whether it is a line's turn: a command waits for what was said before it; from a pipe, for its answer too."""
        if not line.startswith("/") or (line == "/quit" and self._is_terminal):
            return True
        if self._is_terminal or self._open_questions:
            return not self._unsent
        return self._is_idle()

    def _is_idle(self) -> bool:
        return not self._unsent and self._answered >= self._due

    def _may_leave(self) -> bool:
        """Whether the input has ended, and everything said is answered or waits for a person."""
        if self._has_input or self._is_closing or self._lines:
            return False
        return self._is_terminal or self._is_idle() or bool(self._open_questions)

    def _leave(self) -> int:
        if self._open_questions and not self._is_terminal:
            return EXIT_PARKED
        return EXIT_FAILED if self._has_failed and not self._is_terminal else 0

    def _end(self, task: "asyncio.Task[RunHealth]") -> int:
        health = task.result()
        self.is_over = True
        self._view.say(f"The conversation is {health.state}.", dim=True)
        return EXIT_FAILED if health.state != "completed" or self._has_failed else 0

    async def _take(self, line: str) -> int | None:
        if not line.startswith("/"):
            self._unsent += 1
            self._outbox.put_nowait(line)
        elif line == "/quit":
            return self._leave()
        elif line == "/cost":
            self._view.say(await self._cost())
        elif line == "/close" or line in DECISIONS:
            await self._ask(line)
        else:
            self._view.say(f"{in_line(line)} is no command. {HELP}")
        return None

    async def _ask(self, command: str) -> None:
        """Do what a command asks of the conversation, and say what came of it."""
        try:
            if command == "/close":
                await patiently(self._conversation.close)
                self._is_closing = True
            else:
                await patiently(lambda: self._conversation.decide(command.removeprefix("/")))
                self._open_questions.clear()
        except RunError as error:
            self._view.say(str(error), fg="yellow")

    async def _send(self) -> None:
        """Say what was typed, in its order, however long the engine or a worker takes to hear it."""
        while True:
            line = await self._outbox.get()
            was_idle = self._answered >= self._due  # what is typed into a pause stands there already
            try:
                turn = await self._say(line)
            except OutliveError as error:
                self._has_failed = True
                self._view.say(f"Not said: {in_line(line)}: {error}", fg="red")
            else:
                self._due = max(self._due, turn)
                if was_idle and self._is_terminal:
                    self._turns_typed_here.add(turn)
            self._unsent -= 1
            self._happenings.put_nowait(_Changed())

    async def _say(self, line: str) -> int:
        steers, message_id = line.startswith(STEERING), uuid.uuid4().hex
        text = line.removeprefix(STEERING).strip()
        return await patiently(lambda: self._conversation.say(text, steer=steers, message_id=message_id))

    def _note(self, event: RunEvent) -> None:
        """Take note of an event that was shown."""
        turn = event.data.get("turn", 0)
        if event.kind == EventKind.TURN_STARTED:
            self._due = max(self._due, turn)
            is_said = event.data.get("content") is not None  # else a person speaks unasked, in the agent's place
            if is_said and turn not in self._turns_typed_here and not (self._is_terminal and self._unsent):
                self._view.say(f"{PROMPT}{in_line(event.data.get('content', ''))}", dim=True)
        elif event.kind == EventKind.TURN_ENDED:
            self._show_answer(event.data, streamed=self._view.last_text if self._is_streaming else None)
            self._answered = max(self._answered, turn)
        elif event.kind == EventKind.WAITING:
            self._open_questions.add(str(event.data.get("question_id")))
        elif event.kind == EventKind.RESUMED:
            self._open_questions.discard(str(event.data.get("question_id")))
        else:
            return
        self._happenings.put_nowait(_Changed())

    def _see(self, health: RunHealth) -> bool:
        """Take note of where the conversation stands; it is followed until it is over."""
        found = {question.question_id for question in health.questions}
        if found - self._open_questions:
            self._open_questions |= found
            self._happenings.put_nowait(_Changed())
        return False

    def _show_answer(self, data: dict[str, Any], *, streamed: str | None) -> None:
        self._view.end_line()
        if error := data.get("error"):
            self._has_failed = True
            self._view.say(f"The turn failed: {in_line(error.get('message', ''), longest=500)}", fg="red")
            return
        output = data.get("output")
        if by := data.get("by"):
            self._view.say(f"{in_line(by)}, in the agent's place:", dim=True)
            streamed = None
        if output != streamed or not isinstance(output, str):
            text = output if isinstance(output, str) else json.dumps(output, ensure_ascii=False)
            click.echo(shown(text) if self._is_streaming else text)
            sys.stdout.flush()

    def _prompt_if_idle(self) -> None:
        if self._is_terminal and not self._is_closing and self._is_idle():
            self._view.prompt(PROMPT)

    async def _show_past(self) -> int:
        """Show the last turns of a conversation that is gone on with; return the offset where the present begins."""
        health = await look(self._conversation)
        events = await self._past_events()
        began = [event for event in events if event.kind == EventKind.TURN_STARTED]
        ended = {event.data.get("turn"): event for event in events if event.kind == EventKind.TURN_ENDED}
        through = [event for event in began if event.data.get("turn") in ended]
        self._answered = self._due = max((event.data.get("turn", 0) for event in through), default=0)
        if len(through) > LAST_TURNS:
            self._view.say(f"({len(through) - LAST_TURNS} earlier turns: `outlive show {self._view.run}`)", dim=True)
        for event in through[-LAST_TURNS:]:
            if event.data.get("content") is not None:
                self._view.say(f"{PROMPT}{in_line(event.data['content'])}", dim=True)
            end = ended[event.data.get("turn")].data
            said = end["error"]["message"] if end.get("error") else end.get("output")
            if by := end.get("by"):
                self._view.say(f"{in_line(by)}, in the agent's place:", dim=True)
            self._view.say(shown(said if isinstance(said, str) else json.dumps(said, ensure_ascii=False)), dim=True)
        if health is not None and health.is_closed:
            raise RunError(f"The conversation {self._view.run!r} is {health.state}. Take another id for a new one.")
        present = [event.offset for event in began if event.data.get("turn") not in ended]
        return present[0] if present else len(events)

    async def _past_events(self) -> list[RunEvent]:
        events: list[RunEvent] = []
        while page := await self._client.streams.read(self._conversation.workflow_id, from_=len(events), limit=PAGE):
            events += page
        return events

    async def _cost(self) -> str:
        records = await self._client.ledger.call(
            self._client.ledger.effects.of_workflow, self._conversation.workflow_id
        )
        totals = Totals()
        for record in records:
            if record.kind == "model" and record.state is EffectState.DONE:
                totals.add(record.facts)
        return totals.line()

"""From the events of a history to turns and entries, one event after the other."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent

from outlive.contracts.events import EventKind
from outlive.names import (
    AGENT_WORKFLOW,
    DECIDE_UPDATE,
    NOTE_RUN,
    RAISE_BUDGET,
    RECORD_HAND_OFF,
    SAY_UPDATE,
    SETTLE_EFFECT,
    STATE_MEMO,
    split_agent_workflow_id,
)
from outlive.trace.calls import AGENT_PREFIX, Calls, local_activity
from outlive.trace.drafts import Drafts, moment
from outlive.trace.model import Call, ChildRun, Failure, HistoryPart, Message, Timer, Value, Wait
from outlive.trace.values import UnreadableValue, Values

BOOKKEEPING = frozenset({RAISE_BUDGET, RECORD_HAND_OFF, SETTLE_EFFECT})
"""Local activities that only write down what the history tells anyway."""

STEERING = "steering"
"""Name of a message that joined the turn which was worked on."""

Handler = Callable[[HistoryEvent], Awaitable[None] | None]


class TraceBuilder:
    """Takes the events of a run's chain of histories in order."""

    def __init__(self, values: Values, *, prefix: str = "", first: int = 1) -> None:
        """Begin with nothing.

        Args:
            values: What payloads become.
            prefix: Begins every id.
            first: Number of the first entry.
        """
        self.drafts = Drafts(prefix, first=first)
        self.calls = Calls(self.drafts, values)
        self.workflow_type = ""
        self.parts: list[HistoryPart] = []
        self.notes: list[str] = []
        self.input: Value | None = None
        self.output: Value | None = None
        self.failure: Failure | None = None
        self.ended_at: datetime | None = None
        self._values = values
        self._run_id = ""
        self._turn = 0
        self._said: dict[int, Value] = {}
        self._message_ids: set[str] = set()
        self._says: dict[int, tuple[dict[str, Any], HistoryEvent]] = {}
        self._waits: dict[str, str] = {}
        self._timers: dict[int, str] = {}
        self._children: dict[int, str] = {}
        self._handlers = self._handler_table()

    @property
    def is_agent(self) -> bool:
        """Whether the run is an agent's."""
        return self.workflow_type == AGENT_WORKFLOW

    def begin_run(self, run_id: str) -> None:
        """Say that the events of another workflow run of the chain follow."""
        self.calls.begin_run()
        for numbers in (self._says, self._timers, self._children):
            numbers.clear()
        self._run_id = run_id

    async def take(self, event: HistoryEvent) -> None:
        """Take one event; of what cannot be understood a note is left."""
        kind = event.WhichOneof("attributes")
        handler = self._handlers.get(kind or "")
        if handler is None:
            return
        self.drafts.at(self._run_id, event.event_id)
        try:
            done = handler(event)
            if done is not None:
                await done
        except Exception as error:  # noqa: BLE001 - one event, of whatever version, must not hide all others
            self.note(f"Event {event.event_id} ({kind}) was not understood: {type(error).__name__}: {error}.")

    def count(self, events: int) -> None:
        """Say how many events of the workflow run were read so far."""
        if self.parts and self.parts[-1].id == self._run_id:
            self.parts[-1] = replace(self.parts[-1], events=events)

    def note(self, sentence: str) -> None:
        """Leave a note for the reader, once."""
        if sentence not in self.notes:
            self.notes.append(sentence)

    def _handler_table(self) -> dict[str, Handler]:
        handlers: dict[str, Handler] = {
            "workflow_execution_started": self._started,
            "workflow_execution_completed": self._completed,
            "workflow_execution_failed": self._failed,
            "workflow_execution_canceled": self._closed,
            "workflow_execution_terminated": self._terminated,
            "workflow_execution_timed_out": self._closed,
            "workflow_execution_continued_as_new": self._continued,
            "workflow_execution_cancel_requested": self._cancel_requested,
            "workflow_execution_signaled": self._signalled,
            "workflow_execution_update_accepted": self._update_accepted,
            "workflow_execution_update_completed": self._update_completed,
            "workflow_properties_modified": self._memo_changed,
            "marker_recorded": self._marked,
            "timer_started": self._timer_started,
            "timer_fired": lambda event: self._timer_ended(event.timer_fired_event_attributes, event, "done"),
            "timer_canceled": lambda event: self._timer_ended(
                event.timer_canceled_event_attributes, event, "cancelled"
            ),
            "activity_task_scheduled": self.calls.scheduled,
            "activity_task_started": self.calls.started,
            "activity_task_completed": self.calls.completed,
            "activity_task_failed": self.calls.failed,
            "activity_task_timed_out": self.calls.timed_out,
            "activity_task_canceled": self.calls.cancelled,
            "start_child_workflow_execution_initiated": self._child_initiated,
            "start_child_workflow_execution_failed": self._child_ended,
            "child_workflow_execution_started": self._child_started,
            "child_workflow_execution_completed": self._child_ended,
            "child_workflow_execution_failed": self._child_ended,
            "child_workflow_execution_canceled": self._child_ended,
            "child_workflow_execution_timed_out": self._child_ended,
            "child_workflow_execution_terminated": self._child_ended,
        }
        return {f"{name}_event_attributes": handler for name, handler in handlers.items()}

    # How the run begins and ends.

    async def _started(self, event: HistoryEvent) -> None:
        given, at = event.workflow_execution_started_event_attributes, moment(event.event_time)
        is_first = not self.parts
        self.parts.append(HistoryPart(id=self._run_id, began_at=at, events=0))
        self.workflow_type = given.workflow_type.name
        if not is_first:
            return
        if self.is_agent and given.input.payloads:
            await self._agent_started(given.input.payloads[0], at)
        else:
            self.input = await self._values.values(ref := f"{self.drafts.prefix}input", given.input.payloads)
            self.drafts.saw(ref)

    async def _agent_started(self, payload: Payload, at: datetime) -> None:
        try:
            asked = await self._values.mapping(payload)
        except UnreadableValue as error:
            self.note(f"What the run was started with is not shown: {error}.")
            return
        self._turn = int(asked.get("turn") or 0)
        if asked.get("is_mid_turn"):
            self.drafts.open_turn(self._turn, at)
        for number, message in enumerate(asked.get("inbox") or [], start=self._turn + 1):
            self._message_ids.add(str(message.get("message_id")))
            self._said[number] = self._keep_said(number, message.get("content"))
            self.drafts.saw(self.drafts.turn_id(number))

    async def _completed(self, event: HistoryEvent) -> None:
        payloads = event.workflow_execution_completed_event_attributes.result.payloads
        self._end(event)
        self.drafts.saw(ref := f"{self.drafts.prefix}output")
        if not self.is_agent:
            self.output = await self._values.values(ref, payloads)
        elif payloads:
            try:
                self.output = self._values.keep(ref, (await self._values.mapping(payloads[0])).get("output"))
            except UnreadableValue as error:
                self.output = self._values.unreadable(ref, len(payloads[0].data), error)

    async def _failed(self, event: HistoryEvent) -> None:
        self._end(event)
        failure = event.workflow_execution_failed_event_attributes.failure
        self.failure = await self._values.failure(failure, at=moment(event.event_time))

    def _terminated(self, event: HistoryEvent) -> None:
        self._end(event)
        given = event.workflow_execution_terminated_event_attributes
        why = given.reason or "no reason given"
        self.failure = Failure(type="Terminated", message=f"{why} (by {given.identity})", at=moment(event.event_time))

    def _closed(self, event: HistoryEvent) -> None:
        self._end(event)

    def _end(self, event: HistoryEvent) -> None:
        self.ended_at = moment(event.event_time)
        self.drafts.end_turn(self.ended_at)
        self.drafts.give_up_open(self.ended_at)

    def _continued(self, event: HistoryEvent) -> None:
        self.drafts.give_up_open(moment(event.event_time), Call, Timer)

    def _cancel_requested(self, event: HistoryEvent) -> None:
        given = event.workflow_execution_cancel_requested_event_attributes
        self._reached(event, "cancel", None, given.identity)

    # What is said, decided and noted.

    async def _signalled(self, event: HistoryEvent) -> None:
        given = event.workflow_execution_signaled_event_attributes
        content = await self._values.values(f"{self.drafts.next_id()}.content", given.input.payloads)
        self._reached(event, given.signal_name, content, given.identity)

    async def _update_accepted(self, event: HistoryEvent) -> None:
        request = event.workflow_execution_update_accepted_event_attributes.accepted_request
        name, payloads = request.input.name, request.input.args.payloads
        if self.is_agent and name in {SAY_UPDATE, DECIDE_UPDATE} and payloads:
            said = await self._values.mapping(payloads[0])
            if name == SAY_UPDATE:
                self._says[event.event_id] = (said, event)
            else:
                self._decide(said, event, request.meta.identity)
            return
        content = await self._values.values(f"{self.drafts.next_id()}.content", payloads)
        self._reached(event, name, content, request.meta.identity)

    async def _update_completed(self, event: HistoryEvent) -> None:
        given = event.workflow_execution_update_completed_event_attributes
        message, accepted = self._says.pop(given.accepted_event_id, (None, event))
        message_id = str((message or {}).get("message_id"))
        if message is None or message_id in self._message_ids or not given.outcome.success.payloads:
            return
        self._message_ids.add(message_id)
        number = int(await self._values.plain(given.outcome.success.payloads[0]))
        turn = self.drafts.turn(number)
        if message.get("steers") and (number in self._said or (turn is not None and turn.said is not None)):
            by = accepted.workflow_execution_update_accepted_event_attributes.accepted_request.meta.identity
            content = self._values.keep(f"{(message_id := self.drafts.next_id())}.content", message.get("content"))
            self._reached(accepted, STEERING, content, by)
            self.drafts.saw(message_id, accepted.event_id)
            return
        self._said[number] = self._keep_said(number, message.get("content"))
        self.drafts.saw(self.drafts.turn_id(number), accepted.event_id)
        self.drafts.saw(self.drafts.turn_id(number))
        if turn is not None:
            self.drafts.begin_with(turn, self._said[number])

    def _keep_said(self, number: int, content: Any) -> Value:
        return self._values.keep(f"{self.drafts.turn_id(number)}.said", content)

    def _decide(self, decision: dict[str, Any], event: HistoryEvent, by: str) -> None:
        named = decision.get("question_id")
        for question_id in [named] if named else list(self._waits):
            if wait_id := self._waits.pop(question_id, None):
                choice, at = str(decision.get("choice")), moment(event.event_time)
                who = str(decision.get("by") or by)
                self.drafts.change(wait_id, state="done", choice=choice, decided_by=who, ended_at=at)

    async def _memo_changed(self, event: HistoryEvent) -> None:
        fields = event.workflow_properties_modified_event_attributes.upserted_memo.fields
        if STATE_MEMO not in fields:
            return
        state, at = await self._values.plain(fields[STATE_MEMO]), moment(event.event_time)
        questions = {str(one["question_id"]): one for one in (state or {}).get("questions") or []}
        for question_id, question in questions.items():
            if question_id not in self._waits:
                self._waits[question_id] = wait_id = self.drafts.next_id()
                self.drafts.add(
                    Wait(
                        id=wait_id,
                        kind="wait",
                        name=str(question.get("subject") or ""),
                        state="running",
                        began_at=at,
                        question_id=question_id,
                        reason=str(question.get("reason") or ""),
                        choices=tuple(question.get("choices") or ()),
                    )
                )
        for question_id in [known for known in self._waits if known not in questions]:
            self.drafts.change(self._waits.pop(question_id), state="done", ended_at=at)

    async def _marked(self, event: HistoryEvent) -> None:
        activity_type = local_activity(event)
        if activity_type is None or activity_type in BOOKKEEPING:
            return
        if activity_type != NOTE_RUN:
            await self.calls.local(event, activity_type)
            return
        kind, at = await self.calls.summary(event), moment(event.event_time)
        if kind == EventKind.TURN_STARTED:
            self._turn += 1
            self.drafts.open_turn(self._turn, at, self._said.pop(self._turn, None))
        elif kind == EventKind.TURN_ENDED:
            self.drafts.end_turn(at)

    def _reached(self, event: HistoryEvent, name: str, content: Value | None, by: str) -> None:
        at, message_id = moment(event.event_time), self.drafts.next_id()
        message = Message(
            id=message_id,
            kind="message",
            name=name,
            state="done",
            began_at=at,
            ended_at=at,
            content=content,
            sent_by=by,
        )
        self.drafts.add(message)

    # Timers and child workflows.

    async def _timer_started(self, event: HistoryEvent) -> None:
        given, at = event.timer_started_event_attributes, moment(event.event_time)
        self._timers[event.event_id] = timer_id = self.drafts.next_id()
        fires_at = at + given.start_to_fire_timeout.ToTimedelta()
        name = await self.calls.summary(event)
        self.drafts.add(Timer(id=timer_id, kind="timer", name=name, state="running", began_at=at, fires_at=fires_at))

    def _timer_ended(self, given: Any, event: HistoryEvent, state: str) -> None:
        if timer_id := self._timers.pop(given.started_event_id, None):
            self.drafts.change(timer_id, state=state, ended_at=moment(event.event_time))

    async def _child_initiated(self, event: HistoryEvent) -> None:
        given = event.start_child_workflow_execution_initiated_event_attributes
        self._children[event.event_id] = child_id = self.drafts.next_id()
        agent, args = split_agent_workflow_id(given.workflow_id), None
        name, kind, payloads = given.workflow_type.name, given.workflow_type.name, given.input.payloads
        if kind == AGENT_WORKFLOW:  # what it was asked its own trace says
            name = agent[0] if agent else kind
        elif kind.startswith(AGENT_PREFIX):  # a tool that is a workflow
            asked = await self.calls.tool_arguments(f"{child_id}.args", payloads)
            name, args = asked["name"] or kind, asked["args"]
        else:
            args = await self._values.values(f"{child_id}.args", payloads)
        self.drafts.add(
            ChildRun(
                id=child_id,
                kind="child",
                name=name,
                state="scheduled",
                began_at=moment(event.event_time),
                workflow_id=given.workflow_id,
                workflow_type=kind,
                args=args,
            )
        )

    def _child_started(self, event: HistoryEvent) -> None:
        given = event.child_workflow_execution_started_event_attributes
        if child_id := self._children.get(given.initiated_event_id):
            self.drafts.change(child_id, state="running")

    async def _child_ended(self, event: HistoryEvent) -> None:
        kind = event.WhichOneof("attributes") or ""
        given = getattr(event, kind)
        child_id = self._children.pop(given.initiated_event_id, None)
        if child_id is None:
            return
        changes: dict[str, Any] = {"ended_at": moment(event.event_time)}
        if kind.startswith("start_child"):
            message = "a workflow of this id exists already"
            changes |= {"state": "failed", "failure": Failure(type="ChildNotStarted", message=message)}
        else:
            ending = kind.removeprefix("child_workflow_execution_").removesuffix("_event_attributes")
            changes["state"] = {"completed": "done", "canceled": "cancelled"}.get(ending, ending)
        if kind == "child_workflow_execution_failed_event_attributes":
            changes["failure"] = await self._values.failure(given.failure)
        child = self.drafts.get(child_id)
        if kind == "child_workflow_execution_completed_event_attributes" and isinstance(child, ChildRun):
            changes["result"] = await self._child_result(child, given.result.payloads)
        self.drafts.change(child_id, **changes)

    async def _child_result(self, child: ChildRun, payloads: Sequence[Payload]) -> Value | None:
        ref = f"{child.id}.result"
        if child.workflow_type == AGENT_WORKFLOW or not payloads or not self._values.with_results:
            return None
        if child.workflow_type.startswith(AGENT_PREFIX):
            result: Value = (await self.calls.tool_result(ref, payloads[0]))["result"]
            return result
        return await self._values.values(ref, payloads)

"""The master plan of an agent's run: which turn is worked on, what waits, when it continues as new.

The agent itself is not here: the registry holds it, outside of the sandbox, and it talks to models and tools through
activities. What its hooks need of the workflow they find in `workflow.instance()`.
"""

import asyncio
from dataclasses import replace
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError, FailureError, is_cancelled_exception

from outlive.contracts.agents import (
    AgentInput,
    AgentMessage,
    AgentOutcome,
    Choice,
    Decision,
    HandOffKind,
    RunNote,
    RunState,
    Speech,
    Turn,
    TurnResult,
)
from outlive.contracts.budgets import BudgetNews
from outlive.contracts.events import EventKind
from outlive.contracts.hand_offs import HandOffPolicy
from outlive.names import (
    AGENT_WORKFLOW,
    BEGAN_MEMO,
    BUDGET_SIGNAL,
    CLOSE_SIGNAL,
    REQUEST_MEMO,
    RUN_STATE_QUERY,
    SAY_UPDATE,
    STATE_MEMO,
)
from outlive.workflows import calls, policies
from outlive.workflows.handoff import HandOffs
from outlive.workflows.money import RunMoney
from outlive.workflows.takeover import TakenOver
from outlive.workflows.waiting import Check, Moot

with workflow.unsafe.imports_passed_through():
    from outlive import registry

REMEMBERED_MESSAGES = 200


@workflow.defn(name=AGENT_WORKFLOW, sandboxed=False)
class AgentWorkflow:
    """Runs one agent: one turn, or, as a conversation, one turn for each message that is said."""

    @workflow.init
    def __init__(self, run: AgentInput) -> None:
        self._run = run
        self._inbox = list(run.inbox)
        self._steering = list(run.steering)
        self._messages = list(run.messages)
        self._usage = run.usage
        self._turn = run.turn
        self._known = dict(run.known)
        self._is_closing = run.is_closing
        self._is_working = run.is_mid_turn
        self._last_output = run.last_output
        self._last_by = run.last_by
        self._hand_offs = HandOffs(agent=run.agent, decided=run.decided, turn=lambda: self._turn, show=self._tell_state)
        self._taken = TakenOver(
            by=run.taken_by,
            speeches=run.speeches,
            is_conversation=run.is_conversation,
            on_change=self._take_up_speech,
        )
        self.money = RunMoney(run)

    @workflow.run
    async def run(self, run: AgentInput) -> AgentOutcome:
        """Work on one turn after the other until nothing is left to be answered."""
        while self._is_working or await self._takes_next_message():
            await self._work_turn(run)
        outcome = AgentOutcome(
            output=self._last_output,
            messages=self._messages if run.wants_messages else [],
            usage=self._usage,
            turns=self._turn,
            by=self._last_by,
        )
        await self.note(EventKind.RUN_ENDED, output=self._last_output, usage=self._usage)
        await self._hand_offs.finish()
        await workflow.wait_condition(workflow.all_handlers_finished)
        return outcome

    @workflow.update(name=SAY_UPDATE)
    def say(self, message: AgentMessage) -> int:
        """Take a message, and return the number of the turn that answers it."""
        if message.message_id in self._known:
            return self._known[message.message_id]
        if message.steers and self._is_working:
            self._steering.append(message)
            turn = self._turn
        else:
            self._inbox.append(message)
            turn = self._turn + len(self._inbox)
        self._known[message.message_id] = turn
        return turn

    @say.validator
    def _check_message(self, message: AgentMessage) -> None:
        if message.message_id in self._known:
            return
        if self._is_closing or not (self._run.is_conversation or self._is_working):
            raise ApplicationError("The run takes no further message: it is ending.", type="RunEnding")

    @workflow.signal(name=CLOSE_SIGNAL)
    def close(self) -> None:
        """End the conversation once everything said is answered."""
        self._is_closing = True

    @workflow.signal(name=BUDGET_SIGNAL)
    def budget_changed(self, news: BudgetNews) -> None:
        """Take note that a budget was changed; what waits for that goes on."""
        self.money.hear(news)

    @workflow.query(name=RUN_STATE_QUERY)
    def run_state(self) -> RunState:
        """Return where the run stands."""
        questions = self._hand_offs.waiting
        return RunState(
            state="parked" if questions else "working" if self._is_working else "idle",
            turn=self._turn,
            waiting=len(self._inbox),
            taken_by=self._taken.by,
            questions=questions,
        )

    # What the agent's hooks call while they run in this workflow.

    def take_steering(self) -> list[AgentMessage]:
        """Return what was said to steer the turn since the last call."""
        taken, self._steering = self._steering, []
        return taken

    def wants_to_continue_as_new(self) -> bool:
        """Whether history has grown so far that the run continues as new at the next opportunity."""
        info = workflow.info()
        return (
            info.get_current_history_length() >= self._run.events_per_run
            or info.get_current_history_size() >= policies.AGENT_BYTES_PER_RUN
            or info.is_continue_as_new_suggested()
        )

    async def continue_as_new(self, *, messages: list[Any], usage: dict[str, Any] | None) -> None:
        """Go on in a new run of this workflow, from these messages. Never returns."""
        await self._hand_offs.finish()
        await workflow.wait_condition(workflow.all_handlers_finished)
        known = dict(list(self._known.items())[-REMEMBERED_MESSAGES:])
        workflow.continue_as_new(
            replace(
                self._run,
                inbox=self._inbox,
                steering=self._steering,
                messages=messages,
                turn=self._turn,
                is_mid_turn=self._is_working,
                usage=usage,
                known=known,
                is_closing=self._is_closing,
                last_output=self._last_output,
                continued=self._run.continued + 1,
                decided=self._hand_offs.decided,
                taken_by=self._taken.by,
                speeches=self._taken.speeches,
                last_by=self._last_by,
                **self.money.carried(),
            ),
            memo={
                REQUEST_MEMO: workflow.memo_value(REQUEST_MEMO, default=None),
                STATE_MEMO: self._state_memo(),
                BEGAN_MEMO: workflow.memo_value(BEGAN_MEMO, default=workflow.info().workflow_start_time.isoformat()),
            },
        )

    async def speech(self) -> Speech | None:
        """Wait while a person speaks in the agent's place; return what they say, None once the agent may speak."""
        return await self._taken.speech()

    async def ask(
        self,
        reason: str,
        *,
        choices: list[Choice],
        subject: str,
        kind: HandOffKind,
        about: dict[str, Any] | None = None,
        policy: HandOffPolicy | None = None,
        check: Check | None = None,
        moot: Moot | None = None,
    ) -> Decision:
        """Park until a person has decided; costs nothing while it waits.

        Args:
            policy: When to remind, escalate and expire.
            check: Looks at a decision before it is taken, and returns what is wrong with it.
            moot: Returns a decision once nobody need decide any more.

        Raises:
            ApplicationError: Where the choice is to stop.
        """
        decision = await self._hand_offs.ask(
            reason,
            choices=choices,
            subject=subject,
            kind=kind,
            about=about,
            policy=policy,
            check=check,
            moot=moot,
            note=self.note,
        )
        if decision.choice == Choice.STOP:
            raise ApplicationError(f"Stopped by decision. It waited because: {reason}", type="RunStopped")
        return decision

    async def note(self, kind: EventKind, note_id: str = "", /, **data: Any) -> None:
        """Tell the readers of the run of something, once, whatever dies meanwhile."""
        whole_id = f"{workflow.info().first_execution_run_id[:8]}-{self._turn}-{kind}-{note_id}"
        await calls.note_run(RunNote(kind=kind, note_id=whole_id, data={"turn": self._turn, **data}))

    async def _takes_next_message(self) -> bool:
        """Open the turn of the next message; False once none is to be waited for."""
        if not self._inbox and self._run.is_conversation:
            if self.wants_to_continue_as_new():
                await self.continue_as_new(messages=self._messages, usage=self._usage)
            await workflow.wait_condition(lambda: bool(self._inbox) or self._is_closing)
        if not self._inbox:
            return False
        self._turn += 1
        self._is_working = True
        return True

    async def _work_turn(self, run: AgentInput) -> None:
        content, speech = None, None
        if not run.is_mid_turn or self._turn > run.turn:
            message = self._inbox.pop(0)
            content, speech = message.content, message.speech
            self.money.begin_turn()
            await self.note(EventKind.TURN_STARTED, content=content)
        try:
            result = await self._answered(content, speech)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            await self.note(EventKind.TURN_ENDED, error=_described(error))
            if not run.is_conversation or not _fails_a_turn(error):
                raise
        else:
            self._messages, self._usage = result.messages, result.usage
            self._last_output, self._last_by = result.output, result.by
            spoken = {"by": result.by} if result.by else {}
            await self.note(EventKind.TURN_ENDED, output=result.output, usage=result.usage, **spoken)
        self._is_working = False
        if self._taken.speeches:
            self._take_up_speech()

    async def _answered(self, content: Any, speech: Speech | None) -> TurnResult:
        """Run the agent until its turn is through, also with what was said too late to steer it; or let a person."""
        agent = registry.served_agent(self._run.agent)
        turn = Turn(
            content=content,
            messages=self._messages,
            usage=self._usage,
            deps=self._run.deps,
            model=self._run.model,
        )
        if speech := speech or await self.speech():
            return agent.speak(turn, speech)
        result = await agent.run_turn(turn)
        while late := self.take_steering():
            turn = replace(turn, content="\n\n".join(str(message.content) for message in late))
            result = await agent.run_turn(replace(turn, messages=result.messages, usage=result.usage))
        return result

    def _take_up_speech(self) -> None:
        """Give what a person has said a turn of its own, where no turn waits for it."""
        if self._taken.speeches and not self._is_working and not self._inbox:
            speech = self._taken.speeches.pop(0)
            self._inbox.append(AgentMessage(message_id=speech.speech_id, content=None, speech=speech))
        self._tell_state()

    def _state_memo(self) -> dict[str, Any]:
        return self._hand_offs.state_memo() | {"taken_by": self._taken.by}

    def _tell_state(self) -> None:
        """Show where the run stands to those who look without asking a worker."""
        workflow.upsert_memo({STATE_MEMO: self._state_memo()})
        workflow.set_current_details("\n".join(question.reason for question in self._hand_offs.waiting))


def _described(error: Exception) -> dict[str, str]:
    cause = error.__cause__ if isinstance(error.__cause__, ApplicationError) else error
    return {"type": getattr(cause, "type", None) or type(cause).__name__, "message": str(cause)}


def _fails_a_turn(error: Exception) -> bool:
    """Whether an error ends a turn of a conversation; others are the code's, and wait for it to be mended."""
    if isinstance(error, ApplicationError) and error.type == "RunStopped":
        return False
    return isinstance(error, (FailureError, *registry.failure_types())) and not is_cancelled_exception(error)

"""What the agent workflow, its activities and its callers say to each other.

Fields named ``messages`` hold Pydantic AI's ``ModelMessage`` objects. The payload converter keeps them out of history:
what crosses the wire is a reference to them, constant in size.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from outlive.contracts.budgets import BudgetScope


class Choice(StrEnum):
    """What can be decided of a run that is parked.

    Attributes:
        RETRY: Make the call again.
        TELL: Let the model know that the call failed.
        STOP: End the run.
        DONE: The effect happened after all; its result may be given as the decision's value.
        APPROVE: Make the call, with the arguments given as the decision's value where there are any.
        DENY: Do not make the call, and let the model know.
        ANSWER: The decision's value is what was asked for.
        RAISE: Go on under a higher cap, given as the decision's value.
        FINISH: Come to an end with what there is.
        MODEL: Go on with another model, given as the decision's value, until the run ends.
        GO_ON: Go on all the same.
        SKIP: Leave this one out, and go on.
        UNDO: Take back what was done.
        LEAVE: Leave what was done as it is.
    """

    RETRY = "retry"
    TELL = "tell"
    STOP = "stop"
    DONE = "done"
    APPROVE = "approve"
    DENY = "deny"
    ANSWER = "answer"
    RAISE = "raise"
    FINISH = "finish"
    MODEL = "model"
    GO_ON = "go_on"
    SKIP = "skip"
    UNDO = "undo"
    LEAVE = "leave"


class HandOffKind(StrEnum):
    """Why a person is asked.

    Attributes:
        HALTED: Every call of a model would fail the same way.
        TOOL_FAILED: A tool has failed for good.
        UNKNOWN: Nobody knows whether an effect happened.
        APPROVAL: A call is to be allowed.
        QUESTION: The agent asks for something.
        BUDGET: A budget is used up.
        PLAN_FAILED: A plan has failed, or too much of a wave of it.
    """

    HALTED = "halted"
    TOOL_FAILED = "tool_failed"
    UNKNOWN = "unknown"
    APPROVAL = "approval"
    QUESTION = "question"
    BUDGET = "budget"
    PLAN_FAILED = "plan_failed"

    @classmethod
    def of_the_desk(cls) -> "frozenset[HandOffKind]":
        """Those that take more than a bare choice."""
        return frozenset({cls.UNKNOWN, cls.APPROVAL, cls.QUESTION, cls.BUDGET})


@dataclass(frozen=True, kw_only=True)
class DecisionTaken:
    """A decision that a workflow remembers, so that a second one hears of it.

    Attributes:
        at: Seconds since the epoch, by the workflow's clock.
        decision_id: What makes sending it twice the same as sending it once.
    """

    question_id: str
    choice: str
    by: str
    at: float
    decision_id: str = ""


@dataclass(frozen=True, kw_only=True)
class Speech:
    """What a person says in an agent's place.

    Attributes:
        by: Who, as they call themselves.
        speech_id: What makes saying it twice the same as saying it once.
    """

    text: str
    by: str
    speech_id: str = ""


@dataclass(frozen=True, kw_only=True)
class AgentMessage:
    """Something that is said to an agent.

    Attributes:
        message_id: Makes saying it twice the same as saying it once.
        content: Text, or a list of Pydantic AI user content as JSON.
        steers: Whether it joins the turn that is being worked on, rather than beginning one of its own.
        speech: Set where it is no message to the agent, but one of a person in its place.
    """

    message_id: str
    content: Any
    steers: bool = False
    speech: Speech | None = None


@dataclass(frozen=True, kw_only=True)
class AgentInput:
    """Argument of the agent workflow: what is to be done, and, once continued as new, how far it has come.

    Attributes:
        agent: Name of the agent in the registry.
        model: Model name that replaces the agent's own; None leaves it.
        deps: The run's dependencies as JSON of the agent's ``deps_type``.
        is_conversation: Whether further messages are waited for after a turn.
        inbox: Messages that wait for a turn of their own.
        steering: Messages that join the turn that is being worked on.
        messages: The conversation so far.
        turn: Number of the turn that is being worked on, or was last; the first is 1.
        is_mid_turn: Whether that turn is to be gone on with.
        usage: What the turns so far came to: JSON of Pydantic AI's ``RunUsage``.
        known: Turn of each message that was said lately, by message id.
        is_closing: Whether the conversation ends once nothing is left to be answered.
        last_output: Output of the last turn that ended, as JSON.
        continued: How often the workflow has continued as new.
        events_per_run: After how many history events a run continues as new.
        wants_messages: Whether the outcome is to hold the conversation; a parent run has no use for its child's.
        decided: The last decisions that were taken.
        taken_by: Who has taken the conversation over; empty where the agent speaks itself.
        speeches: What they have said and no turn has taken up yet.
        last_by: Who gave the last output in the agent's place, where a person did.
        budgets: What pays for its calls besides the app's budget: its own, its parents', its tenant's.
        last_call_by: Who has decided that the turn comes to an end whatever the budgets say.
        last_calls: How many model calls were made on that decision.
        heard: Latest version of each budget that the run has heard of.
    """

    agent: str
    model: str | None = None
    deps: Any = None
    is_conversation: bool = False
    inbox: list[AgentMessage] = field(default_factory=list)
    steering: list[AgentMessage] = field(default_factory=list)
    messages: list[Any] = field(default_factory=list)
    turn: int = 0
    is_mid_turn: bool = False
    usage: dict[str, Any] | None = None
    known: dict[str, int] = field(default_factory=dict)
    is_closing: bool = False
    last_output: Any = None
    continued: int = 0
    events_per_run: int = 600
    wants_messages: bool = True
    decided: list[DecisionTaken] = field(default_factory=list)
    taken_by: str = ""
    speeches: list[Speech] = field(default_factory=list)
    last_by: str = ""
    budgets: list[BudgetScope] = field(default_factory=list)
    last_call_by: str = ""
    last_calls: int = 0
    heard: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class AgentOutcome:
    """Result of the agent workflow.

    Attributes:
        output: Output of the last turn, as JSON of the agent's output type.
        messages: The whole conversation.
        usage: JSON of Pydantic AI's ``RunUsage``, sub-agents included.
        turns: How many turns were worked on.
        by: Who gave the output in the agent's place, where a person did: it is then text, of whatever type the agent's.
    """

    output: Any = None
    messages: list[Any] = field(default_factory=list)
    usage: dict[str, Any] | None = None
    turns: int = 0
    by: str = ""


@dataclass(frozen=True, kw_only=True)
class Turn:
    """One turn, as the workflow hands it to the agent.

    Attributes:
        content: What the user says; None goes on where the messages end.
        messages: The conversation before it.
    """

    content: Any
    messages: list[Any]
    usage: dict[str, Any] | None = None
    deps: Any = None
    model: str | None = None


@dataclass(frozen=True, kw_only=True)
class TurnResult:
    """What came of a turn.

    Attributes:
        by: The person who spoke in the agent's place, where one did.
    """

    output: Any
    messages: list[Any]
    usage: dict[str, Any]
    by: str = ""


@dataclass(frozen=True, kw_only=True)
class Question:
    """What a parked run waits for.

    Attributes:
        question_id: What an answer names.
        reason: One sentence for a person.
        choices: What can be decided, the first being the usual one.
        subject: What it is about: ``model``, or the name of a tool.
        kind: One of `HandOffKind`; empty in histories that were written before there were any.
        about: What is needed to decide, JSON: of a tool call ``tool``, ``args`` and ``effect_key``.
    """

    question_id: str
    reason: str
    choices: list[str]
    subject: str = ""
    kind: str = ""
    about: dict[str, Any] = field(default_factory=dict)

    def command(self, run: str, choice: str, *, is_alone: bool) -> str:
        """Return what to type to choose: ``outlive decide`` knows the run, ``outlive answer`` the question.

        Args:
            run: The run as commands name it.
            choice: One of the choices, or several with ``|`` between them.
            is_alone: Whether the run waits for nothing else.
        """
        if (
            not {*choice.split("|")} <= {Choice.RETRY, Choice.TELL, Choice.STOP}
            or self.kind in HandOffKind.of_the_desk()
        ):
            return f"outlive answer {self.question_id} {choice}"
        return f"outlive decide {run} {choice}" + ("" if is_alone else f" --question {self.question_id}")


@dataclass(frozen=True, kw_only=True)
class Decision:
    """An answer to a question.

    Attributes:
        question_id: Which question; None answers all that are open.
        value: What goes with the choice, JSON: an answer, edited arguments, a result.
        by: Who decided, as they call themselves.
        note: A word with it: to the model where a call is denied, and for the record.
        decision_id: What makes sending it twice the same as sending it once.
        is_forced: Whether it counts also while somebody else has claimed the question.
    """

    choice: str
    question_id: str | None = None
    value: Any = None
    by: str = ""
    note: str = ""
    decision_id: str = ""
    is_forced: bool = False


@dataclass(frozen=True, kw_only=True)
class RunState:
    """Where a run stands, as the workflow itself says.

    Attributes:
        state: ``working``, ``idle`` (a conversation that waits for a message) or ``parked``.
        turn: Number of the turn that is being worked on, or was last.
        waiting: Messages that wait for a turn of their own.
        taken_by: Who speaks in the agent's place; empty where it speaks itself.
    """

    state: str
    turn: int = 0
    waiting: int = 0
    taken_by: str = ""
    questions: list[Question] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class RunNote:
    """Something about a run for its readers, written into the event log outside of history.

    Attributes:
        kind: One of ``outlive.contracts.events.EventKind``.
        note_id: The same whenever the note is written again.
    """

    kind: str
    note_id: str
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class TakeOver:
    """A person takes a conversation over, speaks in it, or hands it back.

    Attributes:
        action: ``take``, ``speak`` or ``return``.
        by: Who, as they call themselves.
        text: What is said.
        speech_id: What makes saying it twice the same as saying it once.
        is_forced: Whether it is taken from somebody else.
    """

    action: str
    by: str
    text: str = ""
    speech_id: str = ""
    is_forced: bool = False

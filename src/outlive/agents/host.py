"""What the hooks of an agent find in the workflow that runs it."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from temporalio import workflow

from outlive.contracts.agents import AgentMessage, Choice, Decision, HandOffKind, Speech
from outlive.contracts.events import EventKind
from outlive.contracts.hand_offs import HandOffPolicy
from outlive.workflows.money import RunMoney
from outlive.workflows.waiting import Check, Moot


@runtime_checkable
class RunHost(Protocol):
    """The agent workflow, for the hooks of the agent that it runs."""

    money: RunMoney

    def take_steering(self) -> list[AgentMessage]:
        """Return what was said to steer the turn since the last call."""
        ...

    def wants_to_continue_as_new(self) -> bool:
        """Whether the run is to continue as new at the next opportunity."""
        ...

    async def continue_as_new(self, *, messages: list[Any], usage: dict[str, Any] | None) -> None:
        """Go on in a new run of the workflow; never returns."""
        ...

    async def note(self, kind: EventKind, note_id: str, /, **data: Any) -> None:
        """Tell the readers of the run of something."""
        ...

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
        """Park until a person has decided."""
        ...

    async def speech(self) -> Speech | None:
        """Wait while a person speaks in the agent's place; return what they say, None once the agent may speak."""
        ...


class TurnSpoken(Exception):
    """A person has spoken in the agent's place, in the middle of its turn, which ends with that.

    Attributes:
        messages: The conversation up to there.
        usage: What the turns so far came to, as JSON.
    """

    def __init__(self, speech: Speech, *, messages: list[Any], usage: dict[str, Any]) -> None:
        super().__init__(f"{speech.by} has spoken")
        self.speech = speech
        self.messages = messages
        self.usage = usage


@dataclass(kw_only=True)
class TurnScope:
    """The agent run that is a turn of its workflow, told from the runs of other agents inside it.

    Attributes:
        run_id: Pydantic AI's id of that run, once it is known.
    """

    run_id: str | None = None

    def owns(self, run_id: str | None) -> bool:
        """Whether a run is the turn itself: the first that asks."""
        if self.run_id is None:
            self.run_id = run_id
        return self.run_id == run_id


turn_scope: ContextVar[TurnScope | None] = ContextVar("outlive_turn_scope", default=None)


def run_host() -> RunHost | None:
    """Return the workflow that hosts this agent run; None outside, and in a workflow written by hand."""
    if not workflow.in_workflow():
        return None
    instance = workflow.instance()
    return instance if isinstance(instance, RunHost) else None

"""One agent's run in the hands of an application: follow it, steer it, decide, and read its result."""

import asyncio
import contextlib
import json
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

import temporalio.client
from pydantic import TypeAdapter
from temporalio.client import WorkflowFailureError, WorkflowUpdateFailedError
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError
from temporalio.service import RPCError, RPCStatusCode

from outlive.contracts.agents import AgentMessage, AgentOutcome, Decision
from outlive.contracts.events import EventKind, RunEvent
from outlive.engine.connection import result_of
from outlive.engine.run_health import RunHealth, run_health
from outlive.errors import RunError, RunFailed, RunUnknown
from outlive.ledger.ledger import Ledger
from outlive.names import CLOSE_SIGNAL, DECIDE_UPDATE, SAY_UPDATE, split_agent_workflow_id
from outlive.settings import Settings
from outlive.streams.log import StreamLog

OutputT = TypeVar("OutputT")

CLOSED_LOOK_SECONDS = 1.0
"""How long the end of a run that could not tell its readers of it may go unnoticed."""


@dataclass(frozen=True, kw_only=True)
class RunResult(Generic[OutputT]):
    """What a run ended with.

    Attributes:
        output: A value of the agent's output type; plain JSON values where the agent is not known to the caller.
        messages: The whole conversation, as Pydantic AI messages: give them to another run to go on from there.
        usage: Requests, tokens and tool calls, sub-agents included.
        turns: How many turns were worked on.
    """

    output: OutputT
    messages: Sequence[Any] = field(repr=False)
    usage: dict[str, Any]
    turns: int


class Connection(Protocol):
    """What a handle needs of the `outlive.Client` that made it."""

    settings: Settings
    ledger: Ledger
    streams: StreamLog

    async def temporal(self) -> temporalio.client.Client:
        """Return the connection to Temporal."""
        ...


class RunHandle(Generic[OutputT]):
    """One run of an agent. Any number of handles to the same run, in any process, are the same.

    Attributes:
        is_new: Whether the run was started by the call that returned this handle, and not before.
    """

    def __init__(
        self,
        client: Connection,
        workflow_id: str,
        outputs: TypeAdapter[Any] | None = None,
        *,
        is_new: bool = False,
    ) -> None:
        self.is_new = is_new
        self._client = client
        self._outputs = outputs
        self.workflow_id = workflow_id
        self.agent, self.run_id = split_agent_workflow_id(workflow_id) or ("", workflow_id)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.workflow_id!r})"

    @property
    def connection(self) -> Connection:
        """What the handle was made by."""
        return self._client

    async def result(self) -> RunResult[OutputT]:
        """Wait for the end of the run, through restarts of anything, and return what it ended with.

        Raises:
            RunFailed: If it failed, or was cancelled or terminated.
            RunError: If there is no such run.
        """
        temporal = await self._client.temporal()
        handle = temporal.get_workflow_handle(self.workflow_id, result_type=AgentOutcome)
        try:
            outcome = await result_of(handle)
        except WorkflowFailureError as error:
            raise self._failure(error) from error
        except RPCError as error:
            raise self._refused(error) from error
        return RunResult(
            output=outcome.output if outcome.by else self._typed(outcome.output),
            messages=_as_messages(outcome.messages),
            usage=outcome.usage or {},
            turns=outcome.turns,
        )

    async def status(self) -> RunHealth:
        """Return where the run stands, and what keeps it from moving.

        Raises:
            RunError: If there is no such run.
        """
        temporal = await self._client.temporal()
        health = await run_health(temporal, self._client.settings, self.workflow_id)
        if health is None:
            raise self._unknown()
        return health

    async def cancel(self) -> None:
        """End the run as soon as the calls in flight can be broken off.

        Raises:
            RunError: If there is no such run.
        """
        temporal = await self._client.temporal()
        try:
            await temporal.get_workflow_handle(self.workflow_id).cancel()
        except RPCError as error:
            raise self._refused(error) from error

    async def events(self, *, from_: int = 0) -> AsyncIterator[RunEvent]:
        """Yield what happens in the run, from an offset on, until it has ended.

        Offsets count from 0 without a gap: a reader that died goes on at the last one that it saw, plus 1. Where a
        call is made again after a crash, `RunEvent.attempt` is higher, and what its earlier attempt said is void.
        """
        closed = asyncio.create_task(self._until_closed())
        try:
            async for event in self._client.streams.follow(self.workflow_id, from_=from_, until=closed):
                yield event
                if event.kind == EventKind.RUN_ENDED:
                    return
        finally:
            closed.cancel()
            await asyncio.gather(closed, return_exceptions=True)

    async def say(self, content: Any, *, steer: bool = False, message_id: str | None = None) -> int:
        """Say something to the run, and return the number of the turn that answers it.

        Args:
            content: Text, or a list of Pydantic AI user content.
            steer: Let it join the turn that is being worked on, before its next model call; otherwise it waits for a
                turn of its own.
            message_id: The same id again is the same message. None makes one up.

        Raises:
            RunError: If there is no such run, or it takes no further message.
        """
        message = AgentMessage(message_id=message_id or uuid.uuid4().hex, content=content, steers=steer)
        turn: int = await self._update(SAY_UPDATE, message, int)
        return turn

    async def decide(self, choice: str, *, question_id: str | None = None, value: Any = None, by: str = "") -> None:
        """Choose what a parked run does: ``retry``, ``tell`` or ``stop``, or what else its question offers.

        Args:
            choice: One of the question's choices.
            question_id: Which question; None answers all that are open.
            value: What goes with the choice, JSON: of ``done`` what the effect ended with.
            by: Who decides.

        Raises:
            RunError: If nothing of the kind is open.
        """
        await self._update(DECIDE_UPDATE, Decision(choice=choice, question_id=question_id, value=value, by=by), int)

    async def _update(self, name: str, argument: Any, kind: type) -> Any:
        temporal = await self._client.temporal()
        try:
            return await temporal.get_workflow_handle(self.workflow_id).execute_update(name, argument, result_type=kind)
        except WorkflowUpdateFailedError as error:
            said = error.cause.message if isinstance(error.cause, ApplicationError) else str(error.cause)
            raise RunError(f"Run {self.workflow_id!r} refused: {said}") from error
        except RPCError as error:
            raise self._refused(error) from error

    async def _until_closed(self) -> None:
        """Return once the run is over, for those whose end nobody could note: terminated, timed out, killed."""
        while True:
            with contextlib.suppress(RPCError):
                temporal = await self._client.temporal()
                health = await run_health(temporal, self._client.settings, self.workflow_id)
                if health is None or health.is_closed:
                    return
            await asyncio.sleep(CLOSED_LOOK_SECONDS)

    def _typed(self, output: Any) -> Any:
        return output if self._outputs is None else self._outputs.validate_python(output)

    def _failure(self, error: WorkflowFailureError) -> RunFailed:
        cause: BaseException | None = error.cause
        status = "FAILED"
        if isinstance(cause, temporalio.exceptions.CancelledError):
            return RunFailed(f"Run {self.workflow_id!r} was cancelled.", status="CANCELED")
        if isinstance(cause, temporalio.exceptions.TerminatedError):
            return RunFailed(f"Run {self.workflow_id!r} was terminated: {cause}.", status="TERMINATED")
        while isinstance(cause, ActivityError | ChildWorkflowError) and cause.cause is not None:
            cause = cause.cause
        kind = (cause.type if isinstance(cause, ApplicationError) else None) or type(cause).__name__
        said = cause.message if isinstance(cause, ApplicationError) else str(cause)
        return RunFailed(f"Run {self.workflow_id!r} failed: {said}", status=status, cause_type=kind)

    def _unknown(self) -> RunError:
        return RunUnknown(f"There is no run {self.workflow_id!r}. `outlive runs` lists those of this project.")

    def _refused(self, error: RPCError) -> RunError:
        if error.status is RPCStatusCode.NOT_FOUND:
            if "already completed" in error.message:
                return RunError(f"Run {self.workflow_id!r} has ended. `outlive show {self.run_id}` tells how.")
            return self._unknown()
        return RunError(f"The engine did not take the request for run {self.workflow_id!r}: {error.message}.")


class Conversation(RunHandle[OutputT]):
    """A run that waits for the next message after each turn: for days, at no cost."""

    async def ask(self, content: Any, *, message_id: str | None = None) -> OutputT:
        """Say something, and wait for the answer.

        Raises:
            RunFailed: If the turn failed; the conversation goes on.
            RunError: If the conversation has ended.
        """
        said_at = await self._client.streams.last_offset(self.workflow_id) or 0 if message_id is None else 0
        return await self.reply(await self.say(content, message_id=message_id), from_=said_at)

    async def reply(self, turn: int, *, from_: int = 0) -> OutputT:
        """Wait for the answer of a turn, also of one that has ended long ago.

        Args:
            turn: Its number, from `say`.
            from_: Offset in the event log before which it did not end.

        Raises:
            RunFailed: If the turn failed.
            RunError: If the conversation ended before it.
        """
        async for event in self.events(from_=from_):
            if event.kind == EventKind.TURN_ENDED and event.data.get("turn") == turn:
                if error := event.data.get("error"):
                    raise RunFailed(
                        f"Turn {turn} of {self.workflow_id!r} failed: {error['message']}",
                        status="FAILED",
                        cause_type=error["type"],
                    )
                answer = await self._answer(event)
                is_spoken = bool(event.data.get("by"))  # by a person, in the agent's place
                return answer if is_spoken else self._typed(answer)  # type: ignore[no-any-return]
        raise RunError(f"The conversation {self.workflow_id!r} ended before turn {turn}.")

    async def _answer(self, event: RunEvent) -> Any:
        """Return what a turn ended with: from its event, or from the ledger where that shows it shortened."""
        if not event.data.get("cut"):
            return event.data["output"]
        ledger = self._client.ledger
        kept = await ledger.call(ledger.effects.answer, self.workflow_id, event.data["turn"])
        if kept is None:
            raise RunError(f"The answer of turn {event.data['turn']} of {self.workflow_id!r} is no longer kept.")
        return json.loads(kept)

    async def close(self) -> None:
        """End the conversation once everything said is answered."""
        temporal = await self._client.temporal()
        try:
            await temporal.get_workflow_handle(self.workflow_id).signal(CLOSE_SIGNAL)
        except RPCError as error:
            raise self._refused(error) from error


def _as_messages(messages: list[Any]) -> Sequence[Any]:
    from outlive.agents.outputs import as_messages

    return as_messages(messages)

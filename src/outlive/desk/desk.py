"""What waits for a person, over all runs of a project: listed, claimed, decided."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import temporalio.client
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from outlive.contracts.agents import Decision, HandOffKind, TakeOver
from outlive.contracts.hand_offs import Claim
from outlive.desk.links import Links
from outlive.desk.records import HandOff, packed, shown, unpacked
from outlive.engine.run_health import find_run, read_questions
from outlive.errors import (
    AlreadyDecided,
    EngineUnavailable,
    HandOffClaimed,
    HandOffError,
    HandOffUnknown,
    LinkRefused,
)
from outlive.ledger.approval_rules import ApprovalRule, Condition
from outlive.ledger.hand_offs import HandOffRecord, HandOffState
from outlive.names import CLAIM_UPDATE, DECIDE_UPDATE, TAKE_OVER_UPDATE
from outlive.runs import Connection
from outlive.workflows.handoff import already_decided
from outlive.workflows.takeover import RETURN, SPEAK, TAKE

ASKED_AT_ONCE = 20  # runs, of which the engine is asked whether they still wait
SETTLING_SECONDS = 60.0  # in which a hand-off may be in the ledger and not yet, or not any more, in its run's memo
LINK_LASTS = timedelta(days=3)


class Desk:
    """Any number of desks to the same project, in any process, show the same."""

    def __init__(self, connect: Callable[[], Awaitable[Connection]]) -> None:
        """Take what opens a client of the project; it is called with each request."""
        self._connect = connect

    async def list(
        self, *, state: str | None = HandOffState.OPEN, agent: str | None = None, kind: str | None = None
    ) -> list[HandOff]:
        """Return what waits for a person, what has waited longest first.

        Args:
            state: ``open``, ``decided``, ``expired``, ``void``; None for all.
            kind: An `outlive.contracts.agents.HandOffKind`.

        Raises:
            EngineUnavailable: If the engine does not answer.
        """
        client = await self._connect()
        book = client.ledger.hand_offs
        records = await client.ledger.call(book.listed, state=state, agent=agent, kind=kind)
        voided = await _void_those_of_runs_that_ended(client, records)
        kept = [record for record in records if state is None or (record.workflow_id, record.hand_off_id) not in voided]
        return [shown(record) for record in kept]

    async def get(self, hand_off_id: str) -> HandOff:
        """Return a hand-off with all that is needed to decide.

        Raises:
            HandOffError: If there is none of this id.
        """
        client = await self._connect()
        record = await _found(client, hand_off_id)
        temporal = await client.temporal()
        about, value = await unpacked(temporal, record.about), await unpacked(temporal, record.value)
        return replace(shown(record), about=about or {}, value=value)

    async def claim(self, hand_off_id: str, *, by: str, force: bool = False) -> None:
        """Take a hand-off on, for 30 minutes at most: a decision by anybody else is then refused.

        Args:
            force: Take it from somebody who has it.

        Raises:
            HandOffError: If it does not wait, or somebody else has it.
        """
        await self._claim(Claim(question_id=hand_off_id, by=_named(by), is_forced=force))

    async def release(self, hand_off_id: str, *, by: str, force: bool = False) -> None:
        """Let go of a hand-off.

        Raises:
            HandOffError: If it does not wait, or somebody else has it.
        """
        await self._claim(Claim(question_id=hand_off_id, by=_named(by), is_release=True, is_forced=force))

    async def decide(
        self,
        hand_off_id: str,
        choice: str,
        *,
        value: Any = None,
        by: str,
        note: str = "",
        force: bool = False,
        decision_id: str | None = None,
    ) -> HandOff:
        """Decide, and return the hand-off as it is then.

        Args:
            choice: One of its choices.
            value: What goes with it: edited arguments, an answer, a higher cap.
            by: Who decides.
            note: A word with it; the model reads it where a call is denied.
            force: Decide though somebody else has claimed it.
            decision_id: The same again is the same decision. None makes one up.

        Raises:
            AlreadyDecided: If somebody else was quicker.
            HandOffError: If it does not wait, somebody else has claimed it, or choice or value do not fit.
        """
        client = await self._connect()
        decision = Decision(
            choice=choice,
            question_id=hand_off_id,
            value=value,
            by=_named(by),
            note=note,
            decision_id=decision_id or uuid.uuid4().hex,
            is_forced=force,
        )
        record = await _found(client, hand_off_id)
        if record.state is not HandOffState.OPEN:
            if record.decision_id != decision.decision_id:
                raise _settled(record)
            return await self.get(hand_off_id)
        await _update(client, record, DECIDE_UPDATE, decision)
        temporal = await client.temporal()
        ended = replace(
            record,
            state=HandOffState.DECIDED,
            choice=choice,
            value=await packed(temporal, value),
            decided_by=decision.by,
            decided_at=time.time(),
            decision_id=decision.decision_id,
            note=note,
        )
        await client.ledger.call(client.ledger.hand_offs.close, ended)  # the run's worker may be gone by now
        return await self.get(hand_off_id)

    # Rules.

    async def approve_always(self, hand_off_id: str, *, by: str, when: Sequence[str] = ()) -> ApprovalRule:
        """Make a rule: calls of this tool by this agent are approved from now on, without a person.

        It does not decide the hand-off itself.

        Args:
            when: Conditions on arguments that all have to hold: ``amount<=100``, ``country in ["DE"]``.

        Raises:
            HandOffError: If it is no approval.
        """
        client = await self._connect()
        conditions = [Condition.read(text) for text in when]
        record = await _found(client, hand_off_id)
        if record.kind != HandOffKind.APPROVAL:
            raise HandOffError(
                f"{hand_off_id!r} is no approval but {record.kind!r}: there is no rule to be made of it."
            )
        rules = client.ledger.approval_rules
        return await client.ledger.call(
            rules.make, agent=record.agent, tool=record.subject, conditions=conditions, by=_named(by)
        )

    async def rules(self) -> "Sequence[ApprovalRule]":
        """Return all rules, revoked ones too."""
        client = await self._connect()
        return await client.ledger.call(client.ledger.approval_rules.listed)

    async def revoke(self, number: int, *, by: str) -> None:
        """Let a rule count no more, from the next call on.

        Raises:
            HandOffError: If there is none of this number that counts.
        """
        client = await self._connect()
        if not await client.ledger.call(client.ledger.approval_rules.revoke, number, by=_named(by)):
            raise HandOffError(f"There is no rule {number} that counts. `outlive desk rules` lists them.")

    # Links.

    async def link(self, hand_off_id: str, choice: str, *, by: str, lasts: timedelta = LINK_LASTS) -> str:
        """Return a token with which whoever has it may take one choice, once.

        Args:
            by: Whose decision it will be.

        Raises:
            HandOffError: If the hand-off does not wait, or has no such choice.
        """
        client = await self._connect()
        record = await _found(client, hand_off_id)
        if record.state is not HandOffState.OPEN:
            raise _settled(record)
        if choice not in record.choices:
            raise HandOffError(f"{choice!r} is no choice of {hand_off_id!r}. Choices: {', '.join(record.choices)}.")
        return Links(client.settings).sign(hand_off_id, choice, by=_named(by), lasts=lasts)

    async def redeem(self, token: str, *, note: str = "") -> HandOff:
        """Take the choice that a token stands for.

        Raises:
            LinkRefused: If it was not made here, was changed, has expired or was used.
            AlreadyDecided: If the hand-off was decided otherwise.
        """
        client = await self._connect()
        link = Links(client.settings).read(token)
        record = await _found(client, link.hand_off_id)
        if record.decision_id == link.link_id:
            raise LinkRefused(f"The link to {link.hand_off_id!r} was used before.")
        decided = await self.decide(link.hand_off_id, link.choice, by=link.by, note=note, decision_id=link.link_id)
        if not await client.ledger.call(client.ledger.hand_offs.use_link, link.link_id):
            raise LinkRefused(f"The link to {link.hand_off_id!r} was used before.")
        return decided

    # A person in an agent's place.

    async def take(self, run_id: str, *, by: str, force: bool = False) -> str:
        """Take a conversation over: the agent makes no model call until it is handed back. Return its workflow id.

        Raises:
            HandOffError: If it is no conversation, has ended, or somebody else has taken it over.
        """
        return await self._take_over(run_id, TakeOver(action=TAKE, by=_named(by), is_forced=force))

    async def speak(self, run_id: str, text: str, *, by: str, speech_id: str | None = None) -> str:
        """Say something in the agent's place: the answer of the turn that waits, or of one of its own.

        Raises:
            HandOffError: If the conversation is not taken over by this person.
        """
        speech = TakeOver(action=SPEAK, by=_named(by), text=text, speech_id=speech_id or uuid.uuid4().hex)
        return await self._take_over(run_id, speech)

    async def hand_back(self, run_id: str, *, by: str, force: bool = False) -> str:
        """Let the agent go on.

        Raises:
            HandOffError: If nobody, or somebody else, has taken it over.
        """
        return await self._take_over(run_id, TakeOver(action=RETURN, by=_named(by), is_forced=force))

    async def _take_over(self, run_id: str, change: TakeOver) -> str:
        client = await self._connect()
        temporal = await client.temporal()
        workflow_id = await find_run(temporal, run_id)
        try:
            await temporal.get_workflow_handle(workflow_id).execute_update(
                TAKE_OVER_UPDATE, change, id=change.speech_id or None, result_type=str
            )
        except WorkflowUpdateFailedError as error:
            raise HandOffError(f"{workflow_id!r} refused: {_said(error)}") from error
        except RPCError as error:
            raise _unheard(error, workflow_id) from error
        return workflow_id

    async def _claim(self, claim: Claim) -> None:
        client = await self._connect()
        record = await _found(client, claim.question_id)
        if record.state is not HandOffState.OPEN:
            raise _settled(record)
        await _update(client, record, CLAIM_UPDATE, claim)


async def _found(client: Connection, hand_off_id: str) -> HandOffRecord:
    records = await client.ledger.call(client.ledger.hand_offs.find, hand_off_id)
    if not records:
        raise HandOffUnknown(f"There is no hand-off {hand_off_id!r}. `outlive desk` lists what waits.")
    return records[-1]


async def _update(client: Connection, record: HandOffRecord, name: str, argument: Any) -> None:
    """Send something to the run of a hand-off.

    Raises:
        HandOffError: If it is refused.
    """
    temporal = await client.temporal()
    update_id = getattr(argument, "decision_id", "") or None
    try:
        await temporal.get_workflow_handle(record.workflow_id).execute_update(name, argument, id=update_id)
    except WorkflowUpdateFailedError as error:
        kind = error.cause.type if isinstance(error.cause, ApplicationError) else None
        if kind == AlreadyDecided.__name__:
            raise AlreadyDecided(_said(error)) from error
        if kind == HandOffClaimed.__name__:
            raise HandOffClaimed(_said(error)) from error
        if kind == "QuestionUnknown":
            raise await _gone(client, record) from error
        raise HandOffError(_said(error)) from error
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            raise await _gone(client, record) from error
        raise _unheard(error, record.workflow_id) from error


async def _gone(client: Connection, record: HandOffRecord) -> HandOffError:
    """Return what is to be said of a hand-off that its run does not know any more."""
    await client.ledger.call(client.ledger.hand_offs.void, record.workflow_id, record.hand_off_id)
    return _settled(await _found(client, record.hand_off_id))


def _settled(record: HandOffRecord) -> HandOffError:
    if record.state is HandOffState.VOID:
        return HandOffError(f"{record.hand_off_id!r} waits no more: its run, {record.workflow_id!r}, went on or ended.")
    by, choice = record.decided_by or "", record.choice or ""
    said = already_decided(record.hand_off_id, choice, by, record.decided_at or 0.0)
    return AlreadyDecided(said, by=by, choice=choice)


async def _void_those_of_runs_that_ended(client: Connection, records: Sequence[HandOffRecord]) -> set[tuple[str, str]]:
    """Write down which open hand-offs no run waits for any more, and return them."""
    waiting = [record for record in records if record.state is HandOffState.OPEN]
    ids = sorted({record.workflow_id for record in waiting})
    if not ids:
        return set()
    temporal = await client.temporal()
    open_in: dict[str, set[str] | None] = {}
    for start in range(0, len(ids), ASKED_AT_ONCE):
        group = ids[start : start + ASKED_AT_ONCE]
        answers = await asyncio.gather(*(_open_in(temporal, workflow_id) for workflow_id in group))
        open_in.update(zip(group, answers, strict=True))
    voided = set()
    for record in waiting:
        known = open_in[record.workflow_id]
        is_settling = time.time() - record.opened_at < SETTLING_SECONDS
        if known is None or (record.hand_off_id not in known and not is_settling):
            await client.ledger.call(client.ledger.hand_offs.void, record.workflow_id, record.hand_off_id)
            voided.add((record.workflow_id, record.hand_off_id))
    return voided


async def _open_in(temporal: temporalio.client.Client, workflow_id: str) -> set[str] | None:
    """Return which hand-offs a run waits for; None where it has ended."""
    try:
        description = await temporal.get_workflow_handle(workflow_id).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise _unheard(error, workflow_id) from error
    if description.close_time is not None:
        return None
    return {question.question_id for question in await read_questions(description)}


def _unheard(error: RPCError, workflow_id: str) -> Exception:
    if error.status is RPCStatusCode.NOT_FOUND:
        return HandOffError(f"{workflow_id!r} has ended.")
    return EngineUnavailable(f"The engine did not answer: {error.message}. `outlive doctor` tells what is wrong.")


def _said(error: WorkflowUpdateFailedError) -> str:
    return error.cause.message if isinstance(error.cause, ApplicationError) else str(error.cause)


def _named(by: str) -> str:
    if not by.strip():
        raise HandOffError("Nobody is named who decides. Say who, with `by=` or --by.")
    return by

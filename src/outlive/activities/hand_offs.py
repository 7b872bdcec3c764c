"""The activities of hand-offs: written into ledger and event log, told to the app."""

from dataclasses import asdict, replace
from typing import Any

from temporalio import activity

from outlive.activities.telling import Teller
from outlive.contracts.agents import Choice, Decision, HandOffKind
from outlive.contracts.events import EventKind, NewEvent
from outlive.contracts.hand_offs import HandOffNews, HandOffOpening, HandOffReport, Occasion
from outlive.contracts.notifications import Occurrence
from outlive.ledger.hand_offs import HandOffRecord, HandOffState
from outlive.ledger.ledger import Ledger
from outlive.names import RECORD_HAND_OFF, TELL_HAND_OFF
from outlive.notify.events import question_data
from outlive.registry import Registry
from outlive.streams.writing import StreamWriter


class HandOffBooks:
    """Writes hand-offs down, looks for rules that cover them, and tells the app of them."""

    def __init__(self, registry: Registry, ledger: Ledger, streams: StreamWriter, teller: Teller) -> None:
        self._registry = registry
        self._teller = teller
        self._ledger = ledger
        self._streams = streams

    @activity.defn(name=RECORD_HAND_OFF)
    async def record_hand_off(self, report: HandOffReport) -> HandOffOpening:
        """Write down what has happened to a hand-off; the same report again changes nothing."""
        workflow_id, question_id = activity.info().workflow_id or "", report.question.question_id
        book = self._ledger.hand_offs
        match report.occasion:
            case Occasion.OPENED:
                return await self._open(report)
            case Occasion.REMINDER:
                await self._ledger.call(book.remind, workflow_id, question_id, at=report.at)
            case Occasion.ESCALATED:
                await self._ledger.call(book.escalate, workflow_id, question_id, to=report.by, at=report.at)
            case Occasion.CLAIMED:
                await self._ledger.call(book.claim, workflow_id, question_id, by=report.by or None, at=report.at)
            case _:
                assert report.decision is not None
                await self._close(report, report.decision)
        return HandOffOpening()

    @activity.defn(name=TELL_HAND_OFF)
    async def tell_hand_off(self, news: HandOffNews) -> None:
        """Call the app's own function."""
        if self._registry.on_hand_off is not None:
            await self._registry.on_hand_off(news)

    async def _open(self, report: HandOffReport) -> HandOffOpening:
        question = report.question
        record = HandOffRecord(
            workflow_id=activity.info().workflow_id or "",
            hand_off_id=question.question_id,
            agent=report.agent,
            kind=question.kind,
            subject=question.subject,
            reason=question.reason,
            choices=question.choices,
            about=await _payload(question.about),
            state=HandOffState.OPEN,
            opened_at=report.at,
        )
        decision = await self._decided_before(record) or await self._by_rule(report)
        if decision is not None:  # written as decided at once: nobody is to see it wait
            record = replace(
                record,
                state=HandOffState.DECIDED,
                choice=decision.choice,
                decided_by=decision.by,
                decided_at=report.at,
                decision_id=decision.decision_id,
            )
        await self._ledger.call(self._ledger.hand_offs.open, record)
        await self._tell_readers(EventKind.WAITING, report, asdict(question))
        if decision is not None:
            await self._close(report, decision)
        else:
            await self._tell_waiting(report)
        return HandOffOpening(decision=decision, policy=report.policy, is_told=self._registry.on_hand_off is not None)

    async def _decided_before(self, record: HandOffRecord) -> Decision | None:
        """Return what a rule decided in an earlier attempt at opening it: it may have been revoked since."""
        for found in await self._ledger.call(self._ledger.hand_offs.find, record.hand_off_id):
            if found.workflow_id == record.workflow_id and found.state is HandOffState.DECIDED:
                return Decision(choice=found.choice or "", question_id=found.hand_off_id, by=found.decided_by or "")
        return None

    async def _by_rule(self, report: HandOffReport) -> Decision | None:
        question = report.question
        args = question.about.get("args")
        if question.kind != HandOffKind.APPROVAL or not isinstance(args, dict):
            return None
        rules = self._ledger.approval_rules
        rule = await self._ledger.call(rules.covering, report.agent, question.subject, args)
        if rule is None:
            return None
        return Decision(choice=Choice.APPROVE, question_id=question.question_id, by=rule.name)

    async def _close(self, report: HandOffReport, decision: Decision) -> None:
        record = HandOffRecord(
            workflow_id=activity.info().workflow_id or "",
            hand_off_id=report.question.question_id,
            agent=report.agent,
            kind=report.question.kind,
            subject=report.question.subject,
            reason=report.question.reason,
            choices=report.question.choices,
            opened_at=report.at,
            state=HandOffState.EXPIRED if report.occasion == Occasion.EXPIRED else HandOffState.DECIDED,
            choice=decision.choice,
            value=None if decision.value is None else await _payload(decision.value),
            decided_by=decision.by,
            decided_at=report.at,
            decision_id=decision.decision_id,
            note=decision.note,
        )
        await self._ledger.call(self._ledger.hand_offs.close, record)
        told = {"question_id": record.hand_off_id, "choice": decision.choice, "by": decision.by}
        await self._tell_readers(EventKind.RESUMED, report, told)
        if report.occasion != Occasion.OPENED:  # else a rule has decided, and nobody was told that it waits
            await self._teller.tell_here(Occurrence.RESUMED, told, key=f"{record.hand_off_id}-decided", at=report.at)

    async def _tell_waiting(self, report: HandOffReport) -> None:
        """Tell that a person is asked; of a run without money also that it is paused, which batches tell themselves."""
        question = report.question
        data = question_data(question)
        if question.kind == HandOffKind.BUDGET and report.agent:
            await self._teller.tell_here(Occurrence.PAUSED, data, key=f"{question.question_id}-paused", at=report.at)
        await self._teller.tell_here(Occurrence.WAITING, data, key=f"{question.question_id}-waiting", at=report.at)

    async def _tell_readers(self, kind: EventKind, report: HandOffReport, data: dict[str, Any]) -> None:
        stream = activity.info().workflow_id or ""
        note_id = f"{report.question.question_id}-{kind}"
        self._streams.append(NewEvent(stream=stream, kind=kind, note_id=note_id, data={"turn": report.turn, **data}))
        await self._streams.flush()


async def _payload(value: Any) -> bytes:
    """Return a value as the ledger keeps it: what is large lies in the payload store."""
    (payload,) = await activity.client().data_converter.encode([value])
    return payload.SerializeToString()

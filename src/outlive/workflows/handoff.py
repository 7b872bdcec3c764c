"""Hand-offs of a workflow: what waits for a person, reminds, escalates, expires, and takes decisions.

Any workflow can have them: it makes one `HandOffs` in its ``__init__``, awaits `HandOffs.ask`, hands
`HandOffs.decided` on when it continues as new, and awaits `HandOffs.finish` before it ends.
"""

import json
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio import workflow
from temporalio.exceptions import ApplicationError

from outlive.contracts.agents import Decision, DecisionTaken, HandOffKind, Question
from outlive.contracts.events import EventKind
from outlive.contracts.hand_offs import (
    Claim,
    HandOffNews,
    HandOffOpening,
    HandOffPolicy,
    HandOffReport,
    Occasion,
)
from outlive.names import CLAIM_UPDATE, DECIDE_UPDATE, HAND_OFF_IDS_PATCH, HAND_OFFS_PATCH, HAND_OFFS_QUERY, STATE_MEMO
from outlive.workflows import calls, policies
from outlive.workflows.waiting import EXPIRY, Check, Moot, Waiting, on_expiry, timetable

Note = Callable[..., Awaitable[None]]

LARGEST_IN_MEMO = 1_000  # characters of JSON, of one value; a list of runs carries the memo of each


class HandOffs:
    """The hand-offs of one workflow. Making it installs the updates and the query that the desk uses."""

    def __init__(
        self,
        *,
        agent: str = "",
        decided: Iterable[DecisionTaken] = (),
        turn: Callable[[], int] = lambda: 0,
        show: Callable[[], None] | None = None,
    ) -> None:
        """Install the handlers.

        Args:
            agent: Whose run it is, where it is an agent's.
            decided: What the run before this one remembered.
            turn: Tells which turn of the run is worked on.
            show: Writes `state_memo` where people look, with what else they are to see; None writes it alone.
        """
        self._agent = agent
        self._turn = turn
        self._show = show or self._show_alone
        self._open: dict[str, Waiting] = {}
        self._decided = {taken.question_id: taken for taken in decided}
        self._asked = 0
        self._telling: list[workflow.ActivityHandle[None]] = []
        workflow.set_update_handler(DECIDE_UPDATE, self._decide, validator=self._check_decision)
        workflow.set_update_handler(CLAIM_UPDATE, self._claim, validator=self._check_claim)
        workflow.set_query_handler(HAND_OFFS_QUERY, self._waiting)

    @property
    def waiting(self) -> list[Question]:
        """What waits for a person now."""
        return [waiting.question for waiting in self._open.values() if waiting.decision is None]

    @property
    def decided(self) -> list[DecisionTaken]:
        """The last decisions, for the run that this one continues as."""
        return list(self._decided.values())[-policies.DECISIONS_REMEMBERED :]

    def state_memo(self) -> dict[str, Any]:
        """Return what those see who look without asking a worker."""
        waiting = self.waiting
        return {"state": "parked" if waiting else "", "questions": [_for_memo(question) for question in waiting]}

    async def ask(
        self,
        reason: str,
        *,
        choices: Sequence[str],
        subject: str,
        kind: HandOffKind,
        about: dict[str, Any] | None = None,
        policy: HandOffPolicy | None = None,
        check: Check | None = None,
        moot: Moot | None = None,
        note: Note | None = None,
    ) -> Decision:
        """Wait until a person has decided; costs nothing meanwhile, for months.

        Args:
            reason: One sentence for that person.
            choices: What can be decided, the first being the usual one.
            subject: What it is about: ``model``, or the name of a tool.
            about: What is needed to decide, JSON.
            policy: When to remind, escalate and expire.
            check: Looks at a decision before it is taken; deterministic.
            moot: Returns a decision once nobody need decide any more; deterministic.
            note: How a run that was begun before hand-offs were recorded tells of them.
        """
        question = self._new_question(reason, choices=choices, subject=subject, kind=kind, about=about)
        if not workflow.patched(HAND_OFFS_PATCH):
            return await self._ask_unrecorded(question, note)
        now = workflow.time()
        report = HandOffReport(
            occasion=Occasion.OPENED,
            question=question,
            at=now,
            agent=self._agent,
            turn=self._turn(),
            policy=policy,
        )
        opening = await calls.record_hand_off(report)
        if opening.decision is not None:
            return opening.decision
        waiting = Waiting(
            question=question,
            check=check,
            moot=moot,
            since=now,
            policy=opening.policy or HandOffPolicy(),
            is_told=opening.is_told,
        )
        return await self._decision_on(waiting)

    async def finish(self) -> None:
        """Wait, not for long, until the app has been told what it is to be told; to be awaited before the end."""
        telling = [handle for handle in self._telling if not handle.done()]
        if telling:
            await workflow.wait(telling, timeout=policies.TELL_AT_THE_END.total_seconds())

    # Waiting.

    def _new_question(self, reason: str, **values: Any) -> Question:
        self._asked += 1
        # A run id begins with the time: runs that start together have that in common, and differ at the end.
        run_id = workflow.info().run_id
        stem = run_id.rpartition("-")[2] if workflow.patched(HAND_OFF_IDS_PATCH) else run_id[:8]
        question_id = f"{stem}-{self._asked}"
        values["about"] = values["about"] or {}
        return Question(question_id=question_id, reason=reason, **values | {"choices": [*values["choices"]]})

    async def _decision_on(self, waiting: Waiting) -> Decision:
        question_id = waiting.question.question_id
        self._open[question_id] = waiting
        self._show()
        self._tell(waiting, Occasion.OPENED)
        try:
            decision, occasion = await self._awaited(waiting)
        finally:
            del self._open[question_id]
            self._show()
        await self._record(waiting, occasion, by=decision.by, decision=decision)
        self._tell(waiting, occasion, decision=decision)
        return decision

    async def _awaited(self, waiting: Waiting) -> tuple[Decision, Occasion]:
        """Wait for a decision; remind and escalate meanwhile."""
        subject = waiting.question.subject
        for occasion, at in timetable(waiting):
            left = None if at is None else timedelta(seconds=max(at - workflow.time(), 0.0))
            try:
                await workflow.wait_condition(
                    lambda: self._is_decided(waiting), timeout=left, timeout_summary=f"{occasion}: {subject}"
                )
            except TimeoutError:
                if waiting.decision is None:
                    await self._pass(waiting, occasion)
            if waiting.decision is not None:
                is_expiry = waiting.decision.by == EXPIRY
                return waiting.decision, Occasion.EXPIRED if is_expiry else Occasion.DECIDED
        raise AssertionError(waiting.question.question_id)  # the timetable ends with waiting without an end

    def _is_decided(self, waiting: Waiting) -> bool:
        """Whether it is decided, or has answered itself."""
        if waiting.decision is None and waiting.moot is not None and (decision := waiting.moot()) is not None:
            self._take(waiting, decision)
        return waiting.decision is not None

    async def _pass(self, waiting: Waiting, occasion: Occasion) -> None:
        """Do what a moment of the timetable brings."""
        if occasion is Occasion.EXPIRED:
            choice = on_expiry(waiting)
            decision = Decision(choice=choice or "", question_id=waiting.question.question_id, by=EXPIRY)
            self._take(waiting, decision)
            return
        to = waiting.policy.escalate_to if occasion is Occasion.ESCALATED else ""
        await self._record(waiting, occasion, by=to)
        if waiting.decision is None:
            self._tell(waiting, occasion)

    async def _ask_unrecorded(self, question: Question, note: Note | None) -> Decision:
        """Wait as the first version did: its histories go on to be replayed."""
        if note is None:  # only agents had hand-offs that were not recorded
            raise workflow.NondeterminismError(
                f"The code asks for a decision about {question.subject!r} where the history of the run has none."
            )
        waiting = Waiting(question=question, check=None, since=workflow.time(), policy=HandOffPolicy())
        self._open[question.question_id] = waiting
        self._show()
        await note(EventKind.WAITING, question.question_id, **asdict(question))
        await workflow.wait_condition(
            lambda: waiting.decision is not None, timeout_summary=f"decision about {question.subject}"
        )
        decision = self._open.pop(question.question_id).decision
        assert decision is not None
        self._show()
        told = {"question_id": question.question_id, "choice": decision.choice, "by": decision.by}
        await note(EventKind.RESUMED, question.question_id, **told)
        return decision

    # What the desk sends.

    def _decide(self, decision: Decision) -> int:
        """Answer one open question, or all of them; return how many were."""
        if self._is_repeated(decision):
            return 1
        concerned = self._concerned(decision.question_id)
        for waiting in concerned:
            self._take(waiting, decision)
        return len(concerned)

    def _check_decision(self, decision: Decision) -> None:
        if self._is_repeated(decision):
            return
        self._refuse_settled(decision.question_id)
        concerned = self._concerned(decision.question_id)
        if not concerned:
            raise ApplicationError("No question is open.", type="QuestionUnknown")
        for waiting in concerned:
            self._check_one(waiting, decision)

    def _check_one(self, waiting: Waiting, decision: Decision) -> None:
        question = waiting.question
        if decision.choice not in question.choices:
            valid = ", ".join(question.choices)
            raise ApplicationError(f"{decision.choice!r} is no choice here. Choices: {valid}.", type="ChoiceUnknown")
        claimant = waiting.claimant(workflow.time())
        if claimant and claimant != decision.by and not decision.is_forced:
            raise ApplicationError(
                f"{claimant} has claimed {question.question_id!r}. Ask them, wait until they let go, or force it.",
                type="HandOffClaimed",
            )
        if waiting.check is not None and (fault := waiting.check(decision)):
            raise ApplicationError(fault, type="DecisionInvalid")

    async def _claim(self, claim: Claim) -> None:
        """Let one person at a time have a hand-off; the claim ends by itself."""
        waiting = self._open.get(claim.question_id)
        if waiting is None or waiting.decision is not None:
            return
        waiting.claimed_by = "" if claim.is_release else claim.by
        waiting.claimed_at = workflow.time()
        await self._record(waiting, Occasion.CLAIMED, by=waiting.claimed_by)

    def _check_claim(self, claim: Claim) -> None:
        self._refuse_settled(claim.question_id)
        claimant = self._open[claim.question_id].claimant(workflow.time())
        if claimant and claimant != claim.by and not claim.is_forced:
            raise ApplicationError(f"{claimant} has claimed {claim.question_id!r}.", type="HandOffClaimed")

    def _waiting(self) -> list[Question]:
        """Return what waits for a person, whole."""
        return self.waiting

    def _refuse_settled(self, question_id: str | None) -> None:
        """Refuse what concerns a question that is decided, or never was."""
        if question_id is None:
            return
        if taken := self._decided.get(question_id):
            raise ApplicationError(
                already_decided(question_id, taken.choice, taken.by, taken.at), type="AlreadyDecided"
            )
        if question_id not in self._open:
            raise ApplicationError(f"No question {question_id!r} is open.", type="QuestionUnknown")

    def _is_repeated(self, decision: Decision) -> bool:
        taken = self._decided.get(decision.question_id or "")
        return taken is not None and taken.decision_id == decision.decision_id != ""

    def _concerned(self, question_id: str | None) -> list[Waiting]:
        undecided = [waiting for waiting in self._open.values() if waiting.decision is None]
        return [waiting for waiting in undecided if question_id in {None, waiting.question.question_id}]

    def _take(self, waiting: Waiting, decision: Decision) -> None:
        question_id = waiting.question.question_id
        waiting.decision = decision
        self._decided[question_id] = DecisionTaken(
            question_id=question_id,
            choice=decision.choice,
            by=decision.by,
            at=workflow.time(),
            decision_id=decision.decision_id,
        )

    # What is shown, recorded and told.

    def _show_alone(self) -> None:
        workflow.upsert_memo({STATE_MEMO: self.state_memo()})
        workflow.set_current_details("\n".join(question.reason for question in self.waiting))

    async def _record(
        self, waiting: Waiting, occasion: Occasion, *, by: str = "", decision: Decision | None = None
    ) -> HandOffOpening:
        report = HandOffReport(
            occasion=occasion,
            question=replace(waiting.question, about={}),  # written as it opened
            at=workflow.time(),
            by=by,
            decision=decision,
            agent=self._agent,
            turn=self._turn(),
        )
        return await calls.record_hand_off(report)

    def _tell(self, waiting: Waiting, occasion: Occasion, *, decision: Decision | None = None) -> None:
        if not waiting.is_told:
            return
        question = waiting.question
        news = HandOffNews(
            occasion=occasion,
            hand_off_id=question.question_id,
            workflow_id=workflow.info().workflow_id,
            agent=self._agent,
            kind=question.kind,
            reason=question.reason,
            subject=question.subject,
            choices=question.choices,
            about=question.about,
            to=waiting.policy.escalate_to if occasion is Occasion.ESCALATED else "",
            choice=decision.choice if decision else "",
            by=decision.by if decision else "",
            note=decision.note if decision else "",
        )
        self._telling = [handle for handle in self._telling if not handle.done()]
        self._telling.append(calls.tell_hand_off(news))


def already_decided(question_id: str, choice: str, by: str, at: float) -> str:
    """Return what somebody hears whose decision comes second."""
    when = datetime.fromtimestamp(at, tz=UTC)
    return f"{question_id!r} is decided: {by or 'somebody'} chose {choice!r} at {when:%Y-%m-%d %H:%M:%S} UTC."


def _for_memo(question: Question) -> dict[str, Any]:
    """Return a question without what is large in it: the ledger has that."""
    about = {key: value for key, value in question.about.items() if _size(value) <= LARGEST_IN_MEMO}
    return asdict(question) | {"about": about}


def _size(value: Any) -> int:
    return len(json.dumps(value, default=str))

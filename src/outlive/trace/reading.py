"""Reads a run's trace: the chain of its histories, the calls that are pending, the ledger, the runs below it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from temporalio.client import Client

from outlive.engine.run_health import RunHealth
from outlive.errors import RunError
from outlive.ledger.ledger import Ledger
from outlive.names import AGENT_WORKFLOW, AGENT_WORKFLOW_ID_PREFIX, split_agent_workflow_id
from outlive.settings import Settings
from outlive.trace.details import child_of, value_of
from outlive.trace.drafts import TurnDraft
from outlive.trace.known import KnownRun, began_of
from outlive.trace.model import ChildRun, Entry, Trace, TraceQuestion, TraceTurn, Value
from outlive.trace.totals import totals_of
from outlive.trace.values import LARGEST_PREVIEW, LARGEST_SHOWN, Values

DEEPEST = 5  # child runs within child runs; what is deeper is named, and can be shown on its own
MOST_CHILDREN = 50  # of one run are unfolded: each costs as much as a run of its own


class TraceReader:
    """Reads traces of the runs that an engine has."""

    def __init__(self, client: Client, settings: Settings, *, ledger: Ledger | None = None) -> None:
        """Say where to read.

        Args:
            client: Connection to the engine; payloads are decoded with its converter.
            settings: Of the project: its workers are looked for.
            ledger: Of the project, open; without it, prices are not known.
        """
        self._client = client
        self._settings = settings
        self._ledger = ledger

    async def read(self, workflow_id: str, *, whole: bool = False) -> Trace:
        """Return the trace of a run, of an agent or of any other workflow.

        Args:
            workflow_id: The whole id, such as ``agent/support/order-4711``.
            whole: Whether values are kept whole; otherwise large ones are cut, and `value` returns one of them.

        Raises:
            RunError: If there is no such workflow.
            RPCError: If the engine does not answer.
        """
        return await self._read(workflow_id, None if whole else LARGEST_SHOWN)

    async def value(self, workflow_id: str, ref: str) -> Value:
        """Return one value of a run whole.

        Args:
            workflow_id: Of the run that the trace was read of.
            ref: `Value.ref`.

        Raises:
            RunError: If there is no such workflow, or no such value in it.
        """
        known = self._known(workflow_id, LARGEST_PREVIEW, with_results=False)
        await known.refresh(self._client)
        if (child := child_of(known, ref)) is not None:
            return replace(await self.value(child.workflow_id, ref.removeprefix(f"{child.id}/")), ref=ref)
        return await value_of(self._client, known, ref)

    def _known(self, workflow_id: str, largest: int | None, *, prefix: str = "", with_results: bool = True) -> KnownRun:
        def values(client: Client) -> Values:
            return Values(client.data_converter, largest=largest, with_results=with_results)

        return KnownRun(workflow_id, self._settings, values=values, ledger=self._ledger, prefix=prefix)

    async def _read(self, workflow_id: str, largest: int | None, *, prefix: str = "", depth: int = 0) -> Trace:
        known = self._known(workflow_id, largest, prefix=prefix)
        await known.refresh(self._client)
        traces: dict[str, Trace] = {}
        unfolded, notes = unfoldable(known.children(), depth)
        for child in unfolded:
            try:
                prefix = f"{child.id}/"
                traces[child.id] = await self._read(child.workflow_id, largest, prefix=prefix, depth=depth + 1)
            except RunError:
                notes.append(f"The child run {child.workflow_id!r} is gone, or was not started yet.")
        return _trace(known, traces, notes)


def unfoldable(children: Sequence[ChildRun], depth: int) -> tuple[list[ChildRun], list[str]]:
    """Return the child runs that are read with a run, those of agents, and what is to be said of the others.

    Args:
        depth: How many runs are above this one.
    """
    agents = [child for child in children if child.workflow_type == AGENT_WORKFLOW]
    unfolded = agents[:MOST_CHILDREN] if depth < DEEPEST else []
    left = len(agents) - len(unfolded)
    notes = [f"{left} child runs are not unfolded; `outlive show` shows each by its workflow id."] if left else []
    return unfolded, notes


def _trace(known: KnownRun, traces: Mapping[str, Trace], notes: Sequence[str]) -> Trace:
    builder, health = known.builder, known.health
    assert health is not None
    entries = {entry_id: _with_trace(entry, traces.get(entry_id)) for entry_id, entry in known.entries.items()}
    agent, run_id = split_id(known)
    return Trace(
        id=known.workflow_id,
        workflow_type=builder.workflow_type,
        agent=agent,
        run_id=run_id,
        state=health.state,
        workflow_status=health.workflow_status,
        problem=health.problem,
        questions=_questions(health, known.workflow_id.removeprefix(AGENT_WORKFLOW_ID_PREFIX)),
        began_at=began_of(known),
        ended_at=builder.ended_at or health.closed_at,
        input=builder.input,
        turns=tuple(_turn(turn, builder.drafts.turn_id(turn.number), entries) for turn in known.turns()),
        output=builder.output,
        failure=builder.failure,
        totals=totals_of(entries.values(), [trace.totals for trace in traces.values()]),
        parts=tuple(builder.parts),
        notes=(*known.notes, *notes),
    )


def split_id(known: KnownRun) -> tuple[str | None, str]:
    """Return the agent of a run, None where it is no agent's, and its own id."""
    named = split_agent_workflow_id(known.workflow_id) if known.builder.is_agent else None
    return named or (None, known.workflow_id)


def _with_trace(entry: Entry, trace: Trace | None) -> Entry:
    if trace is None or not isinstance(entry, ChildRun):
        return entry
    return replace(entry, trace=trace, failure=entry.failure or trace.failure)


def _turn(turn: TurnDraft, turn_id: str, entries: Mapping[str, Entry]) -> TraceTurn:
    return TraceTurn(
        id=turn_id,
        number=turn.number,
        said=turn.said,
        began_at=turn.began_at,
        ended_at=turn.ended_at,
        entries=tuple(entries[entry_id] for entry_id in turn.entry_ids),
    )


def _questions(health: RunHealth, shown_id: str) -> tuple[TraceQuestion, ...]:
    """Return what is asked, each with the commands that decide it; which question is named where there are several."""
    is_alone = len(health.questions) == 1
    return tuple(
        TraceQuestion(
            id=question.question_id,
            reason=question.reason,
            choices=tuple(question.choices),
            subject=question.subject,
            commands=tuple(question.command(shown_id, choice, is_alone=is_alone) for choice in question.choices),
        )
        for question in health.questions
    )

"""Reads a run's trace: the chain of its histories, the calls that are pending, the ledger, the runs below it."""

from dataclasses import replace
from datetime import timedelta

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import ContinueAsNewInitiator
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from outlive.engine.run_health import RunHealth, run_health
from outlive.errors import LedgerError, RunError, RunUnknown
from outlive.ledger.ledger import Ledger
from outlive.names import AGENT_WORKFLOW, AGENT_WORKFLOW_ID_PREFIX, split_agent_workflow_id
from outlive.settings import Settings
from outlive.trace.bookkeeping import add_bookkeeping
from outlive.trace.building import TraceBuilder
from outlive.trace.model import ChildRun, ModelCall, ToolCall, Totals, Trace, TraceQuestion, Value
from outlive.trace.values import Values

DEEPEST = 5  # child runs within child runs; what is deeper is named, and can be shown on its own
MOST_CHILDREN = 50  # of one run are unfolded: each costs as much as a run of its own
ANSWER_TIMEOUT = timedelta(seconds=20)  # a page of history that holds megabytes takes its time


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
        return await self._read(workflow_id, Values(self._client.data_converter, whole=whole))

    async def value(self, workflow_id: str, ref: str) -> Value:
        """Return one value of a run whole.

        Args:
            workflow_id: Of the run that the trace was read of.
            ref: `Value.ref`.

        Raises:
            RunError: If there is no such workflow, or no such value in it.
        """
        values = Values(self._client.data_converter, wanted=ref)
        await self._read(workflow_id, values)
        if values.found is None:
            raise RunError(f"Run {workflow_id!r} has no value {ref!r}. `outlive show` names those that it cut.")
        return values.found

    async def _read(self, workflow_id: str, values: Values, *, prefix: str = "", depth: int = 0) -> Trace:
        health = await run_health(self._client, self._settings, workflow_id)
        if health is None:
            raise RunUnknown(f"There is no run {workflow_id!r}. `outlive runs` lists those of this project.")
        builder = TraceBuilder(values, prefix=prefix)
        description = await self._client.get_workflow_handle(workflow_id).describe(rpc_timeout=ANSWER_TIMEOUT)
        for run_id in await self._chain(workflow_id, description.run_id or "", builder):
            await self._read_history(workflow_id, run_id, builder)
        for pending in description.raw_description.pending_activities:
            await builder.calls.pending(pending)
        if self._ledger is not None:
            try:
                await add_bookkeeping(self._ledger, workflow_id, builder.drafts)
            except LedgerError as error:
                builder.note(f"Prices are not known: {error}")
        await self._unfold_children(builder, values, depth)
        return _trace(workflow_id, health, builder)

    async def _chain(self, workflow_id: str, run_id: str, builder: TraceBuilder) -> list[str]:
        """Return the ids of the workflow runs that a run consists of, the oldest first."""
        chain: list[str] = []
        while run_id and run_id not in chain:
            request = GetWorkflowExecutionHistoryRequest(
                namespace=self._client.namespace,
                execution=WorkflowExecution(workflow_id=workflow_id, run_id=run_id),
                maximum_page_size=1,
            )
            try:
                answer = await self._client.workflow_service.get_workflow_execution_history(
                    request, timeout=ANSWER_TIMEOUT
                )
            except RPCError as error:
                if error.status is not RPCStatusCode.NOT_FOUND:
                    raise
                builder.note("The beginning is gone: the engine keeps finished parts of a run only for a time.")
                break
            chain.append(run_id)
            if not answer.history.events:
                break
            started = answer.history.events[0].workflow_execution_started_event_attributes
            if started.initiator == ContinueAsNewInitiator.CONTINUE_AS_NEW_INITIATOR_CRON_SCHEDULE:
                break
            run_id = started.continued_execution_run_id
        return chain[::-1]

    async def _read_history(self, workflow_id: str, run_id: str, builder: TraceBuilder) -> None:
        builder.begin_run(run_id)
        events = 0
        try:
            async for event in self._client.get_workflow_handle(workflow_id, run_id=run_id).fetch_history_events():
                await builder.take(event)
                events += 1
        except RPCError as error:
            if error.status is not RPCStatusCode.NOT_FOUND:
                raise
            builder.note(f"A part is gone, from {events} events on: the engine no longer has workflow run {run_id!r}.")
        builder.end_run(events)

    async def _unfold_children(self, builder: TraceBuilder, values: Values, depth: int) -> None:
        """Read the runs of agents below this one; other child workflows are named only."""
        children = [entry for entry in builder.drafts.all() if isinstance(entry, ChildRun)]
        agents = [child for child in children if child.workflow_type == AGENT_WORKFLOW]
        unfolded = agents[:MOST_CHILDREN] if depth < DEEPEST else []
        if len(agents) > len(unfolded):
            left = len(agents) - len(unfolded)
            builder.note(f"{left} child runs are not unfolded; `outlive show` shows each by its workflow id.")
        for child in unfolded:
            try:
                trace = await self._read(child.workflow_id, values, prefix=f"{child.id}/", depth=depth + 1)
            except RunError:
                builder.note(f"The child run {child.workflow_id!r} is gone, or was not started yet.")
                continue
            builder.drafts.change(child.id, trace=trace, failure=child.failure or trace.failure)


def _trace(workflow_id: str, health: RunHealth, builder: TraceBuilder) -> Trace:
    agent, run_id = None, workflow_id
    if builder.is_agent and (named := split_agent_workflow_id(workflow_id)):
        agent, run_id = named
    turns = tuple(builder.drafts.finished_turns())
    trace = Trace(
        id=workflow_id,
        workflow_type=builder.workflow_type,
        agent=agent,
        run_id=run_id,
        state=health.state,
        workflow_status=health.workflow_status,
        problem=health.problem,
        questions=_questions(health, workflow_id.removeprefix(AGENT_WORKFLOW_ID_PREFIX)),
        began_at=builder.parts[0].began_at if builder.parts else health.started_at,
        ended_at=builder.ended_at or health.closed_at,
        input=builder.input,
        turns=turns,
        output=builder.output,
        failure=builder.failure,
        parts=tuple(builder.parts),
        notes=tuple(builder.notes),
    )
    return replace(trace, totals=_totals(trace))


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


def _totals(trace: Trace) -> Totals:
    totals = Totals()
    for entry in trace.entries():
        if isinstance(entry, ModelCall):
            is_done = entry.state == "done"
            totals += Totals(
                model_calls=int(is_done),
                failures=entry.failures,
                input_tokens=entry.input_tokens or 0,
                output_tokens=entry.output_tokens or 0,
                usd_nanos=entry.usd_nanos or 0,
                unpriced=int(is_done and entry.usd_nanos is None),
            )
        elif isinstance(entry, ToolCall):
            is_tool = entry.kind == "tool_call"
            totals += Totals(tool_calls=int(is_tool and entry.state == "done"), failures=entry.failures)
        elif isinstance(entry, ChildRun) and entry.trace is not None:
            totals += entry.trace.totals
    return totals

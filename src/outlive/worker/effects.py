"""Every call of an agent's model or tool, and every effect of a plan, passes here.

It is claimed, made, recorded, and only then acknowledged.

A call that the ledger has as done is not made again, whoever asks: another attempt after a worker's death, or the same
workflow after a reset. What is done about one that was begun and not recorded is its policy's. Failures are counted
apart from deaths, so that a bug ends and a kill does not.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from datetime import timedelta
from traceback import format_tb
from typing import Any

from pydantic_ai.durable_exec._toolset import wrap_tool_call_result
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ApplicationError
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from outlive.agents.accounts import accounts_of_run, read_accounts
from outlive.agents.mcp_pool import McpPool
from outlive.contracts.events import EventKind, NewEvent
from outlive.effects.continuing import continued_effect
from outlive.effects.current import CurrentCall, current_call
from outlive.effects.declaring import Policy
from outlive.errors import EffectNotDone
from outlive.ledger.effects import EffectClaim, EffectRecord, Standing
from outlive.ledger.keys import effect_key
from outlive.ledger.ledger import Ledger
from outlive.ledger.spending import Spent
from outlive.meters import Measure, count
from outlive.names import BUDGETS_HEADER, EFFECT_KEY_HEADER, EFFECT_PREFIX, ORIGINAL_RUN_HEADER, UNDO_EFFECT
from outlive.streams.writing import StreamWriter
from outlive.worker.beating import Alive
from outlive.worker.holdings import Holdings
from outlive.worker.leases import LEASE_SECONDS, Leases
from outlive.worker.pulse import Pulse
from outlive.worker.storing import as_payload
from outlive.worker.subjects import SHOWN, Subject, shown_result, subject_of
from outlive.worker.verdicts import (
    is_unfit_answer,
    kind_of,
    outcome_unknown,
    refuse_unless_to_be_made,
    silence,
    verdict_on,
    words_of,
)

AGENT_PREFIX = "agent__"
DEEPEST_FRAMES = 3  # of a tool's traceback, kept in the ledger for its author


@dataclass(frozen=True, kw_only=True)
class CallSurroundings:
    """What every call is made with: where it is recorded and told, what keeps it alive, its MCP sessions."""

    ledger: Ledger
    streams: StreamWriter
    pulse: Pulse
    mcp: McpPool
    holdings: Holdings
    leases: Leases


class EffectInterceptor(Interceptor):
    """Puts the ledger between Temporal and the calls of agents and plans; other activities pass untouched."""

    def __init__(self, around: "CallSurroundings") -> None:
        self._around = around

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Return what stands before each activity."""
        return Alive(_Inbound(next, self._around), is_recorded)

    def workflow_interceptor_class(self, input: WorkflowInterceptorClassInput) -> type[WorkflowInboundInterceptor]:  # noqa: A002, ARG002
        """Return what sends the id of the original run along: a reset changes the run id, effects must not double."""
        return _WorkflowInbound


class _WorkflowInbound(WorkflowInboundInterceptor):
    def init(self, outbound: WorkflowOutboundInterceptor) -> None:
        super().init(_WorkflowOutbound(outbound))


class _WorkflowOutbound(WorkflowOutboundInterceptor):
    def start_activity(self, input: StartActivityInput) -> "workflow.ActivityHandle[Any]":  # noqa: A002
        original = Payload(data=workflow.info().original_execution_run_id.encode())
        input.headers = {**input.headers, ORIGINAL_RUN_HEADER: original}
        if accounts := accounts_of_run(input.activity):
            input.headers[BUDGETS_HEADER] = Payload(data=accounts)
        if key := continued_effect.get():
            input.headers[EFFECT_KEY_HEADER] = Payload(data=key.encode())
        return super().start_activity(input)


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, around: "CallSurroundings") -> None:  # noqa: A002
        super().__init__(next)
        self._around = around
        self._ledger = around.ledger

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        info = activity.info()
        if not is_recorded(info.activity_type) or not info.workflow_id:
            return await super().execute_activity(input)
        subject = subject_of(info.activity_type, input.args)
        claim = await self._claim(input, subject)
        if subject.is_shadow:
            return await self._rehearsed(input, claim, subject)
        claimed = await self._ledger.call(self._ledger.effects.claim, claim, is_gone=self._around.holdings.is_gone)
        record = claimed.record
        if record.result is not None and claimed.standing is Standing.DONE:
            return await _restored(record.result, input.fn)
        if claimed.standing is Standing.DONE:
            said = _settled(record)
            result = await wrap_tool_call_result(said) if subject.kind == "tool" else await said
            return await self._recorded(input, record.effect_key, result, record.facts)
        refuse_unless_to_be_made(claimed)
        call = CurrentCall(
            key=record.effect_key,
            attempt=record.attempts,
            tell=self._teller(info.workflow_id, claim, record.attempts),
            is_again=claimed.standing is Standing.REMAKE,
            workflow_id=info.workflow_id,
        )
        if (accounts := input.headers.get(BUDGETS_HEADER)) is not None:
            call.payers, call.lifted_by = read_accounts(accounts.data)
        return await self._made(input, call, subject)

    async def _claim(self, input: ExecuteActivityInput, subject: Subject) -> EffectClaim:  # noqa: A002
        info = activity.info()
        original, continued = input.headers.get(ORIGINAL_RUN_HEADER), input.headers.get(EFFECT_KEY_HEADER)
        run = original.data.decode() if original is not None else info.workflow_run_id or ""
        place = (info.workflow_namespace or "", info.workflow_id or "", run, info.activity_id)
        policy = subject.policy
        arguments = None
        if policy is not None:
            (payload,) = await activity.client().data_converter.encode([subject.args])
            arguments = payload.SerializeToString()
        given = continued.data.decode() if continued is not None else subject.effect_key
        return EffectClaim(
            effect_key=given or effect_key(*place, info.activity_type, subject.name, subject.digest),
            workflow_id=info.workflow_id or "",
            activity_id=info.activity_id,
            kind=subject.kind,
            name=subject.name,
            policy=policy,
            owner=self._around.holdings.owner,
            lease_seconds=LEASE_SECONDS if policy is not None and policy.is_leased else None,
            is_once=policy is Policy.ONCE,
            arguments=arguments,
        )

    async def _made(self, input: ExecuteActivityInput, call: CurrentCall, subject: Subject) -> Any:  # noqa: A002
        _tell(call, subject, "started", subject.shown)
        token = current_call.set(call)
        limit = subject.treatment.timeout.total_seconds() if subject.treatment else None
        try:
            async with self._kept_alive(), self._held(call, subject), asyncio.timeout(limit):
                result = await super().execute_activity(input)
        except Exception as error:  # noqa: BLE001 - whatever a tool raises is counted
            said = words_of(error) or silence(limit)
            told = f"{kind_of(error)}: {said}\n{''.join(format_tb(error.__traceback__)[-DEEPEST_FRAMES:])}"
            is_unfit = subject.kind == "model" and is_unfit_answer(error)
            unknown = (
                subject.policy is not None and subject.policy.is_leased and kind_of(error) != EffectNotDone.__name__
            )
            record = await self._ledger.call(
                self._ledger.effects.fail,
                call.key,
                told,
                attempt=call.attempt,
                is_unfit=is_unfit,
                may_have_happened=unknown,
            )
            failures = record.unfit if is_unfit else record.failures - record.unfit
            _count(subject, "failed")
            if unknown and subject.policy is Policy.ONCE:
                verdict = outcome_unknown(call.key, f"{kind_of(error)}: {said}")
            else:
                verdict = verdict_on(error, said, failures, subject, call.key, is_unfit=is_unfit)
            again = None if verdict.non_retryable else (verdict.next_retry_delay or timedelta(0)).total_seconds()
            _tell(call, subject, "failed", {"type": kind_of(error), "message": said[:SHOWN], "retry_in": again})
            raise verdict from None  # with its causes' tracebacks it would grow with each attempt
        finally:
            current_call.reset(token)
        result = await self._recorded(input, call.key, result, call.facts, call.spent)
        _count(subject, "done")
        _tell(call, subject, "ended", {**call.facts, **shown_result(subject, result)})
        return result

    async def _rehearsed(self, input: ExecuteActivityInput, claim: EffectClaim, subject: Subject) -> Any:  # noqa: A002
        """Record an effect that is not made, with what stands for its result."""
        try:
            async with self._kept_alive():
                result = await super().execute_activity(input)
        except Exception as error:  # noqa: BLE001 - whatever the user's own function raises
            treatment, attempt = subject.treatment, activity.info().attempt
            is_final = treatment is not None and attempt >= treatment.attempts
            raise ApplicationError(
                f"It could not be rehearsed: {words_of(error)}", type=kind_of(error), non_retryable=is_final
            ) from None
        (payload,) = await activity.client().data_converter.encode([result])
        counts = await self._ledger.call(self._ledger.plans.shadow, claim, payload.SerializeToString())
        tell = self._teller(claim.workflow_id, claim, 1)
        tell(EventKind.TOOL_ENDED, {**subject.shown, "shadow": True, **shown_result(subject, result)})
        return await _restored(counts, input.fn)

    async def _recorded(
        self,
        input: ExecuteActivityInput,  # noqa: A002
        key: str,
        result: Any,
        facts: dict[str, Any],
        spent: Spent | None = None,
    ) -> Any:
        """Record a result, and return the one that counts."""
        own = (await as_payload(result)).SerializeToString()
        counts = await self._ledger.call(self._ledger.effects.finish, key, own, facts, spent=spent)
        if counts != own:  # another attempt, that was taken for dead, has recorded its result before
            return await _restored(counts, input.fn)
        return result

    def _held(self, call: CurrentCall, subject: Subject) -> AbstractAsyncContextManager[None]:
        """Hold the lease of an effect that has one."""
        if subject.policy is None or not subject.policy.is_leased:
            return nullcontext()
        return self._around.leases.holding(call.key, attempt=call.attempt)

    @asynccontextmanager
    async def _kept_alive(self) -> AsyncIterator[None]:
        """Hear of a cancellation; hold the session of the MCP server that is asked, which may take long to open."""
        info = activity.info()
        with self._around.pulse.watching(info.task_token):
            async with self._around.mcp.serving(info.activity_type):
                yield

    def _teller(self, stream: str, claim: EffectClaim, attempt: int) -> Callable[[EventKind, dict[str, Any]], None]:
        def tell(kind: EventKind, data: dict[str, Any]) -> None:
            self._around.streams.append(
                NewEvent(stream=stream, kind=kind, call=claim.effect_key, attempt=attempt, data=data)
            )

        return tell


def is_recorded(activity_type: str) -> bool:
    """Whether the calls of an activity pass the ledger."""
    return activity_type.startswith((AGENT_PREFIX, EFFECT_PREFIX)) or activity_type == UNDO_EFFECT


async def _restored(recorded: bytes, function: Callable[..., Any]) -> Any:
    """Return a recorded result as the activity itself would have."""
    payload = Payload.FromString(recorded)
    (result,) = await activity.client().data_converter.decode([payload], [function.__annotations__["return"]])
    return result


def _tell(call: CurrentCall, subject: Subject, what: str, data: dict[str, Any]) -> None:
    if subject.kind == "model":
        call.tell(EventKind(f"model_call_{what}"), data)
    elif subject.acts:
        call.tell(EventKind(f"tool_{what}"), {"tool": subject.name, **data})


def _count(subject: Subject, outcome: str) -> None:
    if subject.acts:
        count(Measure.EFFECTS, kind=subject.kind, outcome=outcome)


async def _settled(record: EffectRecord) -> Any:
    """Return what a person said that an effect ended with."""
    return record.settled.value if record.settled else None

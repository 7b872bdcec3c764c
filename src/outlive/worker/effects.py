"""Every call of an agent's model or tool passes here: claimed, made, recorded, and only then acknowledged.

A call that the ledger has as done is not made again, whoever asks: another attempt after a worker's death, or the same
workflow after a reset. What is done about one that was begun and not recorded is its policy's. Failures are counted
apart from deaths, so that a bug ends and a kill does not.
"""

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from traceback import format_tb
from typing import Any

from httpx2 import TransportError
from pydantic_ai.durable_exec._toolset import wrap_tool_call_result
from pydantic_ai.exceptions import (
    AgentRunError,
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelTimeoutError,
    UnexpectedModelBehavior,
    UserError,
)
from pydantic_core import to_json
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory
from temporalio.worker import (
    ActivityInboundInterceptor,
    ExecuteActivityInput,
    Interceptor,
    StartActivityInput,
    WorkflowInboundInterceptor,
    WorkflowInterceptorClassInput,
    WorkflowOutboundInterceptor,
)

from outlive.agents.mcp_pool import McpPool
from outlive.agents.options import ToolTreatment
from outlive.agents.services import services
from outlive.contracts.events import EventKind, NewEvent
from outlive.effects.continuing import continued_effect
from outlive.effects.current import CurrentCall, current_call
from outlive.effects.declaring import Policy
from outlive.errors import EffectNotDone, LedgerError, ModelUnusable, OutliveError
from outlive.ledger.effects import Claimed, EffectClaim, EffectRecord, Standing, effect_key
from outlive.ledger.ledger import Ledger
from outlive.names import EFFECT_HELD, EFFECT_KEY_HEADER, EFFECT_REFUSED, ORIGINAL_RUN_HEADER, OUTCOME_UNKNOWN
from outlive.streams.writing import StreamWriter
from outlive.worker.ownership import Ownership
from outlive.worker.pulse import Pulse

AGENT_PREFIX = "agent__"
MODEL_SUFFIXES = ("__model_request", "__model_request_stream", "__model_compact_messages")
TOOL_SUFFIX = "__call_tool"
BEAT_SECONDS = 1.0
LEASE_SECONDS = 6.0  # that another worker waits where it cannot see that the one before it is gone
LEASE_MARGIN_SECONDS = 1.5  # before that an attempt that could not renew its lease is broken off
UNFIT_ANSWER = "UnexpectedModelBehavior"
UNFIT_ATTEMPTS = 3  # a server that sends garbage may do better the next time; one that always does is no outage
LONGEST_PAUSE = 30.0  # seconds between two attempts at a call that fails
REFUSED = frozenset({400, 401, 402, 403, 404, 405, 413, 415, 422})
DEEPEST_FRAMES = 3  # of a tool's traceback, kept in the ledger for its author
SHOWN = 2_000  # characters of arguments and results in an event; the whole is in the history


@dataclass(frozen=True, kw_only=True)
class CallSurroundings:
    """What every call is made with: where it is recorded and told, what keeps it alive, its MCP sessions."""

    ledger: Ledger
    streams: StreamWriter
    pulse: Pulse
    mcp: McpPool
    ownership: Ownership


class EffectInterceptor(Interceptor):
    """Puts the ledger between Temporal and the calls of agents; other activities pass untouched."""

    def __init__(self, around: "CallSurroundings") -> None:
        self._around = around

    def intercept_activity(self, next: ActivityInboundInterceptor) -> ActivityInboundInterceptor:  # noqa: A002
        """Return what stands before each activity."""
        return _Inbound(next, self._around)

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
        if key := continued_effect.get():
            input.headers[EFFECT_KEY_HEADER] = Payload(data=key.encode())
        return super().start_activity(input)


@dataclass(frozen=True, kw_only=True)
class _Subject:
    """What an activity is about.

    Attributes:
        digest: Stands for the arguments that decide the result.
        shown: What readers are told of it.
    """

    kind: str
    name: str
    digest: str
    shown: dict[str, Any]
    args: Any = None
    treatment: ToolTreatment | None = None

    @property
    def policy(self) -> Policy | None:
        return Policy(self.treatment.policy) if self.treatment and self.treatment.policy else None


class _Inbound(ActivityInboundInterceptor):
    def __init__(self, next: ActivityInboundInterceptor, around: "CallSurroundings") -> None:  # noqa: A002
        super().__init__(next)
        self._around = around
        self._ledger = around.ledger

    async def execute_activity(self, input: ExecuteActivityInput) -> Any:  # noqa: A002
        info = activity.info()
        if not info.activity_type.startswith(AGENT_PREFIX) or not info.workflow_id:
            return await super().execute_activity(input)
        subject = _subject(info.activity_type, input.args)
        claim = await self._claim(input, subject)
        claimed = await self._ledger.call(self._ledger.effects.claim, claim, is_gone=self._around.ownership.is_gone)
        record = claimed.record
        if record.result is not None and claimed.standing is Standing.DONE:
            return await _restored(record.result, input.fn)
        if claimed.standing is Standing.DONE:
            result = await wrap_tool_call_result(_settled(record))
            return await self._recorded(input, record.effect_key, result, record.facts)
        _refuse_unless_to_be_made(claimed)
        call = CurrentCall(
            key=record.effect_key,
            attempt=record.attempts,
            tell=self._teller(info.workflow_id, claim, record.attempts),
            is_again=claimed.standing is Standing.REMAKE,
        )
        return await self._made(input, call, subject)

    async def _claim(self, input: ExecuteActivityInput, subject: "_Subject") -> EffectClaim:  # noqa: A002
        info = activity.info()
        original, continued = input.headers.get(ORIGINAL_RUN_HEADER), input.headers.get(EFFECT_KEY_HEADER)
        run = original.data.decode() if original is not None else info.workflow_run_id or ""
        place = (info.workflow_namespace or "", info.workflow_id or "", run, info.activity_id)
        policy = subject.policy
        arguments = None
        if policy is not None:
            (payload,) = await activity.client().data_converter.encode([subject.args])
            arguments = payload.SerializeToString()
        return EffectClaim(
            effect_key=continued.data.decode()
            if continued is not None
            else effect_key(*place, info.activity_type, subject.name, subject.digest),
            workflow_id=info.workflow_id or "",
            activity_id=info.activity_id,
            kind=subject.kind,
            name=subject.name,
            policy=policy,
            owner=self._around.ownership.owner,
            lease_seconds=LEASE_SECONDS if policy is not None and policy.is_leased else None,
            is_once=policy is Policy.ONCE,
            arguments=arguments,
        )

    async def _made(self, input: ExecuteActivityInput, call: CurrentCall, subject: _Subject) -> Any:  # noqa: A002
        _tell(call, subject, "started", subject.shown)
        token = current_call.set(call)
        limit = subject.treatment.timeout.total_seconds() if subject.treatment else None
        try:
            async with self._kept_alive(), self._held(call, subject), asyncio.timeout(limit):
                result = await super().execute_activity(input)
        except Exception as error:  # noqa: BLE001 - whatever a tool raises is counted
            said = _words(error) or _silence(limit)
            told = f"{_kind(error)}: {said}\n{''.join(format_tb(error.__traceback__)[-DEEPEST_FRAMES:])}"
            is_unfit = subject.kind == "model" and _is_unfit(error)
            unknown = subject.policy is not None and subject.policy.is_leased and _kind(error) != EffectNotDone.__name__
            record = await self._ledger.call(
                self._ledger.effects.fail,
                call.key,
                told,
                attempt=call.attempt,
                is_unfit=is_unfit,
                may_have_happened=unknown,
            )
            failures = record.unfit if is_unfit else record.failures - record.unfit
            if unknown and subject.policy is Policy.ONCE:
                verdict = _outcome_unknown(call.key, f"{_kind(error)}: {said}")
            else:
                verdict = _verdict(error, said, failures, subject, call.key, is_unfit=is_unfit)
            again = None if verdict.non_retryable else (verdict.next_retry_delay or timedelta(0)).total_seconds()
            _tell(call, subject, "failed", {"type": _kind(error), "message": said[:SHOWN], "retry_in": again})
            raise verdict from None  # with its causes' tracebacks it would grow with each attempt
        finally:
            current_call.reset(token)
        result = await self._recorded(input, call.key, result, call.facts)
        _tell(call, subject, "ended", {**call.facts, **_shown_result(subject, result)})
        return result

    async def _recorded(self, input: ExecuteActivityInput, key: str, result: Any, facts: dict[str, Any]) -> Any:  # noqa: A002
        """Record a result, and return the one that counts."""
        (payload,) = await activity.client().data_converter.encode([result])
        own = payload.SerializeToString()
        counts = await self._ledger.call(self._ledger.effects.finish, key, own, facts)
        if counts != own:  # another attempt, that was taken for dead, has recorded its result before
            return await _restored(counts, input.fn)
        return result

    @asynccontextmanager
    async def _held(self, call: CurrentCall, subject: "_Subject") -> AsyncIterator[None]:
        """Hold the lease of an effect that has one; break its attempt off where the lease cannot be held any longer."""
        if subject.policy is None or not subject.policy.is_leased:
            yield
            return
        loop = asyncio.get_running_loop()
        effects = self._ledger.effects

        async def renew(lease: asyncio.Timeout) -> None:
            while True:
                await asyncio.sleep(LEASE_SECONDS / 4)
                asked_at = loop.time()
                with suppress(LedgerError):  # it is asked again, until the lease is over
                    if not await self._ledger.call(
                        effects.renew, call.key, attempt=call.attempt, seconds=LEASE_SECONDS
                    ):
                        lease.reschedule(loop.time())
                        return
                    lease.reschedule(asked_at + LEASE_SECONDS - LEASE_MARGIN_SECONDS)

        async with asyncio.timeout(LEASE_SECONDS - LEASE_MARGIN_SECONDS) as lease:
            renewing = asyncio.create_task(renew(lease))
            try:
                yield
            except asyncio.CancelledError:
                with suppress(LedgerError):
                    await asyncio.shield(self._ledger.call(effects.release, call.key, attempt=call.attempt))
                raise
            finally:
                renewing.cancel()
                await asyncio.gather(renewing, return_exceptions=True)

    @asynccontextmanager
    async def _kept_alive(self) -> AsyncIterator[None]:
        """Beat, and hold the session of the MCP server that is asked: opening one may take long."""
        info = activity.info()
        beating = asyncio.create_task(_beat())
        try:
            with self._around.pulse.watching(info.task_token):
                async with self._around.mcp.serving(info.activity_type):
                    yield
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    def _teller(self, stream: str, claim: EffectClaim, attempt: int) -> Callable[[EventKind, dict[str, Any]], None]:
        def tell(kind: EventKind, data: dict[str, Any]) -> None:
            self._around.streams.append(
                NewEvent(stream=stream, kind=kind, call=claim.effect_key, attempt=attempt, data=data)
            )

        return tell


async def _beat() -> None:
    while True:
        activity.heartbeat()
        await asyncio.sleep(BEAT_SECONDS)


def _words(error: Exception) -> str:
    """Return an error's own words; of a connection that failed also why, which SDKs keep to its causes."""
    said, cause = str(error), error.__cause__ if isinstance(error, ApplicationError) else error
    if not isinstance(cause, ModelConnectionError) or isinstance(cause, ModelTimeoutError):
        return said
    while cause.__cause__ is not None and not isinstance(cause, TransportError):
        cause = cause.__cause__
    why = str(cause)
    return said if not why or why in said else f"{said.rstrip('.')}: {why}"


def _silence(limit: float | None) -> str:
    """Return what is said of an attempt that ended without a word: its time was up."""
    offered = services()
    seconds = limit if limit is not None else offered.settings.model_timeout if offered else None
    return "it ended without a word" if seconds is None else f"no answer within {seconds:g} s"


async def _restored(recorded: bytes, function: Callable[..., Any]) -> Any:
    """Return a recorded result as the activity itself would have."""
    payload = Payload.FromString(recorded)
    (result,) = await activity.client().data_converter.decode([payload], [function.__annotations__["return"]])
    return result


def _subject(activity_type: str, arguments: Sequence[Any]) -> _Subject:
    params = arguments[0] if arguments else None
    if activity_type.endswith(MODEL_SUFFIXES):
        messages = getattr(params, "messages", [])
        digest = _digest([len(messages), messages[-1:], getattr(params, "model_id", None)])
        name = activity_type.rpartition("__")[2]
        return _Subject(kind="model", name=name, digest=digest, shown={"messages": len(messages)})
    tool = getattr(params, "name", None)
    if activity_type.endswith(TOOL_SUFFIX) and isinstance(tool, str):
        given = getattr(params, "tool_args", {})
        definition = getattr(params, "tool_def", None)
        treatment = ToolTreatment.of(getattr(definition, "metadata", None))
        shown = {"tool": tool, "args": _short(given)}
        return _Subject(kind="tool", name=tool, digest=_digest(given), shown=shown, args=given, treatment=treatment)
    return _Subject(kind="other", name=activity_type.rpartition("__")[2], digest="", shown={})


def _tell(call: CurrentCall, subject: _Subject, what: str, data: dict[str, Any]) -> None:
    if subject.kind == "model":
        call.tell(EventKind(f"model_call_{what}"), data)
    elif subject.kind == "tool":
        call.tell(EventKind(f"tool_{what}"), {"tool": subject.name, **data})


async def _settled(record: EffectRecord) -> Any:
    """Return what a person said that an effect ended with."""
    return record.settled.value if record.settled else None


def _refuse_unless_to_be_made(claimed: Claimed) -> None:
    """Raise what Temporal is told of an effect that this worker is not to make."""
    record = claimed.record
    match claimed.standing:
        case Standing.HELD:
            rest = max(0.0, (record.lease_until or 0.0) - time.time())
            raise ApplicationError(
                "Another worker may still be making this call; it is waited for.",
                type=EFFECT_HELD,
                next_retry_delay=timedelta(seconds=min(rest, LEASE_SECONDS) + 0.1),
                category=ApplicationErrorCategory.BENIGN,
            )
        case Standing.UNKNOWN:
            raise _outcome_unknown(record.effect_key, record.error or "its worker died while the call was in flight")
        case Standing.REFUSED:
            by = record.settled.by if record.settled else ""
            raise ApplicationError(
                f"It failed, as {by or 'a person'} decided.", type=EFFECT_REFUSED, non_retryable=True
            )


def _outcome_unknown(key: str, why: str) -> ApplicationError:
    """Return what lets the workflow ask a person whether an effect has happened."""
    return ApplicationError(
        why.partition("\n")[0],
        {"effect_key": key},
        type=OUTCOME_UNKNOWN,
        non_retryable=True,
        category=ApplicationErrorCategory.BENIGN,
    )


def _verdict(
    error: Exception, said: str, failures: int, subject: _Subject, key: str, *, is_unfit: bool
) -> ApplicationError:
    """Return what Temporal is told of a failure: whether the call is made again, and when.

    Args:
        failures: How often the call has failed in this way, answers that make no sense being one and all else another.
    """
    policy = activity.info().retry_policy
    final_types = (policy.non_retryable_error_types if policy else None) or []
    kind = _kind(error)
    is_final = kind in final_types or (isinstance(error, ApplicationError) and error.non_retryable)
    is_final = is_final or _is_refused(error)
    if is_unfit:
        said, kind, is_final = _unfit(kind, said, failures), UNFIT_ANSWER, failures >= UNFIT_ATTEMPTS
    elif kind == ModelUnusable.__name__ or (subject.treatment and failures >= subject.treatment.attempts):
        is_final = True
    asked = error.next_retry_delay if isinstance(error, ApplicationError) else None
    pause = asked or timedelta(seconds=min(LONGEST_PAUSE, 2.0 ** min(failures - 1, 10)))
    details = error.details if isinstance(error, ApplicationError) and not is_unfit else ()
    if subject.kind == "tool":
        details = (*details, {"effect_key": key})
    reported = f"{kind} " if kind == UNFIT_ANSWER and not is_final else kind  # Temporal stops at the name alone
    return ApplicationError(
        said or kind,
        *details,
        type=reported,
        non_retryable=is_final,
        next_retry_delay=None if is_final else pause,
        category=ApplicationErrorCategory.BENIGN,  # it is in the ledger and in the run's trace: not in the log as well
    )


def _is_unfit(error: Exception) -> bool:
    """Whether an answer made no sense: reading it failed with what no provider and no connection fails with.

    Pydantic AI has no error of its own for a stream of what is no JSON, or that ends without its end: it raises the
    bare `ModelAPIError`, from a decoder's error or from none. From an SDK's error it is the provider's own failure.
    """
    cause = error.__cause__ if isinstance(error, ApplicationError) else error
    if isinstance(cause, UnexpectedModelBehavior) or _kind(error) == UNFIT_ANSWER:
        return True
    if type(cause) is ModelAPIError:
        return isinstance(cause.__cause__, ValueError | None)
    return not isinstance(cause, AgentRunError | OutliveError | OSError | TimeoutError | UserError | None)


def _unfit(kind: str, said: str, times: int) -> str:
    so_often = "once" if times == 1 else f"{times} times"
    return (
        f"The model's server has answered {so_often} with what is no answer ({kind}: {said.rstrip('.')}). "
        "Check the address that the model's calls go to, and what stands in between."
    )


def _is_refused(error: Exception) -> bool:
    """Whether a provider refuses the request itself, so that making it again changes nothing."""
    cause = error.__cause__ if isinstance(error, ApplicationError) else error
    return isinstance(cause, ModelHTTPError) and cause.status_code in REFUSED


def _kind(error: Exception) -> str:
    return error.type or type(error).__name__ if isinstance(error, ApplicationError) else type(error).__name__


def _digest(value: object) -> str:
    return hashlib.sha256(to_json(value, fallback=repr)).hexdigest()


def _short(value: object) -> Any:
    """Return a value for readers; one that is large as the beginning of its JSON."""
    text = to_json(value, fallback=repr).decode()
    return json.loads(text) if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def _shown_result(subject: _Subject, result: object) -> dict[str, Any]:
    if subject.kind != "tool":
        return {}
    return {"result": _short(getattr(result, "result", result))}

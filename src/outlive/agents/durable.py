"""`Durable`: the one capability that makes a Pydantic AI agent outlive its process."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Any, get_args

from pydantic_ai import Agent, AgentRunResult, RunContext
from pydantic_ai.capabilities import CapabilityOrdering, RequestInput
from pydantic_ai.capabilities.abstract import WrapRunHandler, WrapToolExecuteHandler
from pydantic_ai.durable_exec import external_event_scope
from pydantic_ai.durable_exec.temporal import TemporalDurability
from pydantic_ai.exceptions import (
    ApprovalRequired,
    CallDeferred,
    ModelAuthenticationError,
    ModelHTTPError,
    ModelNotFoundError,
    ModelQuotaExceededError,
    ModelRetry,
    RetryModelRequest,
    SkipToolExecution,
    ToolFailed,
    ToolFailedError,
    ToolRetryError,
)
from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.models import Model, ModelRequestContext
from pydantic_ai.tools import DeferredToolRequests, DeferredToolResults, ToolDefinition
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset, PreparedToolset
from pydantic_ai.usage import UsageLimits
from temporalio import activity, workflow
from temporalio.exceptions import (
    ActivityError,
    ApplicationError,
    is_cancelled_exception,
)

from outlive.agents.approvals import Denied, answer_deferred, approval_of
from outlive.agents.exhausted import decide, last_call, refusal
from outlive.agents.failures import gives_up
from outlive.agents.host import TurnSpoken, run_host, turn_scope
from outlive.agents.models import ServingModel, SharedModel, StandIn
from outlive.agents.options import METADATA_KEY, activity_config, merged_metadata
from outlive.agents.outputs import usage_as_json
from outlive.agents.services import DEFAULT_MODEL, services
from outlive.agents.waiting import HandOffWaiter
from outlive.contracts.agents import Choice, HandOffKind
from outlive.contracts.budgets import Budget, BudgetScope, tenant_key
from outlive.contracts.hand_offs import HandOffPolicy
from outlive.effects.continuing import continued_effect
from outlive.effects.declaring import Effect, declared
from outlive.errors import AgentUndurable, ModelUnusable
from outlive.workflows import policies
from outlive.workflows.failures import CallFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic_ai.models import ModelResolutionContext

Runner = Callable[[RunContext[Any]], Awaitable[AgentRunResult[Any]]]
"""Runs an agent durably on behalf of ``agent.run()`` outside of a workflow."""

_CONTROL_FLOW = (
    ApprovalRequired,
    CallDeferred,
    ModelRetry,
    SkipToolExecution,
    ToolFailed,
    ToolFailedError,
    ToolRetryError,
)
_HALTING = frozenset({401, 402, 403, 404})
_HALTS = (ModelAuthenticationError, ModelNotFoundError, ModelQuotaExceededError)

_undurable: ContextVar[bool] = ContextVar("outlive_undurable", default=False)
_runners: dict[str, Runner] = {}


@contextmanager
def in_memory() -> "Iterator[None]":
    """Let agents run in this process alone within the block, such as in a test: nothing outlives it then."""
    token = _undurable.set(True)
    try:
        yield
    finally:
        _undurable.reset(token)


def run_through(name: str, runner: Runner) -> None:
    """Let ``agent.run()`` of an agent, called outside of a workflow, go through its app."""
    _runners[name] = runner


class Durable(TemporalDurability[Any]):
    """Makes an agent durable: ``Agent(..., name="support", capabilities=[Durable()])``.

    Model and tool calls become activities that are recorded and never made again once they are completed; the run
    goes on elsewhere when its worker dies. It is Pydantic AI's own `TemporalDurability` with Outlive's defaults, and:
    history that holds no conversation, tokens that can be followed, tools whose bugs end, models that halt a run
    rather than fail it.
    """

    def __init__(
        self,
        *,
        models: Mapping[str, Model[Any]] | None = None,
        usage_limits: UsageLimits | None = None,
        heartbeat_timeout: timedelta = policies.AGENT_CALL_HEARTBEAT_TIMEOUT,
        on_halt: str = "park",
        hand_offs: HandOffPolicy | None = None,
        budget: Budget | None = None,
        cheaper_models: Sequence[str] = (),
    ) -> None:
        """Say how the agent is to be made durable; nothing is bound yet.

        Args:
            models: Further model instances that runs may switch to, by name.
            usage_limits: Limits of one turn; none by default, not even of requests.
            heartbeat_timeout: Silence after which a worker that makes a call is taken for dead.
            on_halt: What a model does to a run whose every call would fail (key refused, quota used up): ``park``
                lets it wait until a person has mended it, ``fail`` fails the run.
            hand_offs: When to remind, escalate and expire what waits for a person; it waits without an end by default.
            budget: The most that each run, or conversation, may spend; sub-agents' calls count as its own.
            cheaper_models: Names of models that a person is offered where the budget does not pay for another call.
        """
        super().__init__(
            models=models,
            activity_config={
                "start_to_close_timeout": policies.AGENT_CALL_TIMEOUT,
                "heartbeat_timeout": heartbeat_timeout,
                "retry_policy": policies.AGENT_CALL_RETRIES,
                "cancellation_type": workflow.ActivityCancellationType.TRY_CANCEL,
            },
        )
        self.usage_limits = usage_limits or UsageLimits(request_limit=None)
        self.on_halt = on_halt
        self.hand_offs = hand_offs
        self.budget = budget
        self.cheaper_models = tuple(cheaper_models)
        self._effects: dict[str, Effect] = {}

    def get_ordering(self) -> CapabilityOrdering:
        """Answer what waits for a person before `RequestInput` does, whose own asking cannot be replayed."""
        return replace(super().get_ordering(), wraps=(RequestInput,))

    def get_model(self) -> str | None:
        """Stand in for an agent that has no model of its own: the settings of the worker decide."""
        return DEFAULT_MODEL if self.agent is None or self.agent.model is None else None

    async def resolve_model_id(self, ctx: "ModelResolutionContext[Any]", *, model_id: str) -> Model[Any] | None:
        """Return the model of a name over the worker's shared connections, its own retries off."""
        if (registered := await super().resolve_model_id(ctx, model_id=model_id)) is not None:
            return registered
        offered = services()
        if not workflow.in_workflow():
            return None if offered is None else offered.model(model_id)
        try:
            with workflow.unsafe.sandbox_unrestricted(), workflow.unsafe.imports_passed_through():
                return StandIn(model_id) if offered is None else SharedModel(offered.model(model_id))
        except ModelUnusable:
            return StandIn(model_id)  # the call itself, in its activity, says what is missing

    def get_wrapper_model(self, model: Model[Any]) -> Model[Any] | None:
        """Make calls under their keys, within their time, and tell their tokens."""
        return ServingModel(model, cheaper=self.cheaper_models)

    def get_wrapper_toolset(self, toolset: AbstractToolset[Any]) -> AbstractToolset[Any] | None:
        """Take up the options of tools before they become activities."""
        toolset.apply(self._take_up_decorators)
        prepared = PreparedToolset(toolset, _with_activity_options)
        return super().get_wrapper_toolset(prepared) or prepared

    async def before_model_request(
        self, ctx: RunContext[Any], request_context: ModelRequestContext
    ) -> ModelRequestContext:
        """Take up what was said meanwhile, and continue as new where history has grown."""
        host, scope = run_host(), turn_scope.get()
        if host is not None and scope is not None and scope.owns(ctx.run_id):
            for message in host.take_steering():
                ctx.enqueue(str(message.content))
            if host.wants_to_continue_as_new() and not ctx.pending_messages:
                await host.continue_as_new(messages=ctx.messages, usage=usage_as_json(ctx.usage))
            if speech := await host.speech():
                raise TurnSpoken(speech, messages=ctx.messages, usage=usage_as_json(ctx.usage))
        return await super().before_model_request(ctx, request_context)

    async def prepare_model_request(
        self, ctx: RunContext[Any], request_context: ModelRequestContext
    ) -> ModelRequestContext:
        """Let a run come to an end where somebody has decided so."""
        host = run_host()
        if host is not None and host.money.last_call_by():
            request_context = last_call(request_context)
        return await super().prepare_model_request(ctx, request_context)

    async def on_model_request_error(
        self,
        ctx: RunContext[Any],
        *,
        request_context: ModelRequestContext,  # noqa: ARG002
        error: Exception,
    ) -> ModelResponse:
        """Park where every further call would fail the same way, and go on once that is mended."""
        host, reason = run_host(), _halt(error)
        if host is not None and (refused := refusal(error)) is not None:
            if await decide(host, refused):  # on another model: that takes a run of the workflow that begins with it
                await host.continue_as_new(messages=ctx.messages, usage=usage_as_json(ctx.usage))
            raise RetryModelRequest
        if host is None or reason is None or self.on_halt == "fail":
            raise error
        choices = [Choice.RETRY, Choice.STOP]
        await host.ask(reason, choices=choices, subject="model", kind=HandOffKind.HALTED, policy=self.hand_offs)
        raise RetryModelRequest

    async def wrap_tool_execute(
        self,
        ctx: RunContext[Any],  # noqa: ARG002
        *,
        call: ToolCallPart,  # noqa: ARG002
        tool_def: ToolDefinition,
        args: dict[str, Any],
        handler: WrapToolExecuteHandler,
    ) -> Any:
        """Ask a person first where the tool is declared so; tell the model, or a person, where it fails for good."""
        host, key = run_host(), None
        if host is not None and self._wants_approval(tool_def, args):
            allowed = await approval_of(host, tool_def, args, policy=self.hand_offs)
            if isinstance(allowed, Denied):
                raise ToolFailed(allowed.message)
            args = allowed
        while True:
            token = continued_effect.set(key)
            try:
                return await handler(args)
            except _CONTROL_FLOW:
                raise
            except Exception as error:  # a tool's own code may raise anything
                if not workflow.in_workflow() or is_cancelled_exception(error):
                    raise
                failure = CallFailure.of(tool_def.name, error)
                if host is None or await gives_up(host, tool_def, args, failure, policy=self.hand_offs):
                    raise ToolFailed(failure.message) from error
                key = failure.effect_key
            finally:
                continued_effect.reset(token)

    async def handle_deferred_tool_calls(
        self, ctx: RunContext[Any], *, requests: DeferredToolRequests
    ) -> DeferredToolResults | None:
        """Hand off approvals and questions, unless the agent's own output type is what takes them."""
        host = run_host()
        if host is None or self.agent is None or _ends_with_requests(self.agent.output_type):
            return None
        return await answer_deferred(host, ctx, requests, self.hand_offs)

    def _wants_approval(self, tool_def: ToolDefinition, args: dict[str, Any]) -> bool:
        if not ((tool_def.metadata or {}).get(METADATA_KEY) or {}).get("approve"):
            return False
        effect = self._effects.get(tool_def.name)
        return effect is None or effect.wants_approval(args)

    def _take_up_decorators(self, toolset: AbstractToolset[Any]) -> None:
        if isinstance(toolset, FunctionToolset):
            for name, tool in toolset.tools.items():
                tool.metadata = merged_metadata(tool.metadata, tool.function)
                if (effect := declared(tool.function)) is not None:
                    self._effects[name] = effect

    async def wrap_run(self, ctx: RunContext[Any], *, handler: WrapRunHandler) -> AgentRunResult[Any]:
        """Run durably where ``agent.run()`` is called outside of a workflow too, or say that it cannot be."""
        if (host := run_host()) is not None:
            with external_event_scope(HandOffWaiter(host, self.hand_offs)):
                return await super().wrap_run(ctx, handler=handler)
        if workflow.in_workflow() or _undurable.get():
            return await super().wrap_run(ctx, handler=handler)
        if activity.in_activity() or self.name not in _runners:
            where = "inside a tool" if activity.in_activity() else "outside of a workflow, and no app serves it"
            raise AgentUndurable(
                f"Agent {self.name!r} was called {where}: it would not run durably. Declare it in "
                "`App(agents=[...])`, give it to another agent as `SubAgents([...])`, or say that it need not outlive "
                "this process: `with outlive.in_memory(): ...`."
            )
        return await _runners[self.name](ctx)


def durable_of(agent: Agent[Any, Any]) -> Durable | None:
    """Return the capability of an agent that has it."""
    found = TemporalDurability.from_agent(agent)
    return found if isinstance(found, Durable) else None


def _ends_with_requests(output_type: Any) -> bool:
    parts = output_type if isinstance(output_type, list | tuple) else get_args(output_type) or (output_type,)
    return DeferredToolRequests in parts


def payers_of_run(
    agent: Agent[Any, Any], workflow_id: str, budget: Budget | None, tenant: str | None
) -> list[BudgetScope]:
    """Return what pays for a run besides the app's budget: its own, else its agent's, and its tenant's."""
    durable = durable_of(agent)
    own = budget or (durable.budget if durable else None)
    scopes = [own.scope(workflow_id)] if own else []
    return [*scopes, BudgetScope(key=tenant_key(tenant))] if tenant else scopes


async def _with_activity_options(_: RunContext[Any], definitions: list[ToolDefinition]) -> list[ToolDefinition]:
    return [_with_activity_config(definition) for definition in definitions]


def _with_activity_config(definition: ToolDefinition) -> ToolDefinition:
    metadata = definition.metadata or {}
    config = activity_config(metadata)
    if not config or "temporal" in metadata:
        return definition
    return replace(definition, metadata={**metadata, "temporal": config})


def _halt(error: Exception) -> str | None:
    """Return why a model halts the run; None for an error that only this call has."""
    if isinstance(error, _HALTS) or (isinstance(error, ModelHTTPError) and error.status_code in _HALTING):
        return f"The model refuses every call: {error}"
    cause = error.cause if isinstance(error, ActivityError) else None
    if isinstance(cause, ApplicationError) and cause.type == ModelUnusable.__name__:
        return cause.message
    return None

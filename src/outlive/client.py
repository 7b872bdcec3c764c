"""What an application calls: start a batch or an agent, follow it, change it, read its results."""

import datetime as dt
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import temporalio.client

from outlive.app import App
from outlive.batch_loading import find_batch, load_batch
from outlive.batch_requests import BatchRequest
from outlive.contracts.agents import AgentInput
from outlive.contracts.budgets import Budget
from outlive.contracts.notifications import Notify, targets_of
from outlive.desk.desk import Desk
from outlive.encryption.keyring import keyring_of
from outlive.engine.connection import connect, has_moved
from outlive.engine.home import Home
from outlive.engine.priority import priority_of, tenant_of
from outlive.engine.run_health import RunHealth, find_run, list_runs
from outlive.handles import BatchHandle
from outlive.ledger.ledger import Ledger, ledger_of
from outlive.ledger.records import BatchRecord
from outlive.names import (
    AGENT_WORKFLOW,
    CONVERSATION_SUMMARY,
    agent_workflow_id,
    batch_workflow_id,
    plan_workflow_id,
    split_agent_workflow_id,
)
from outlive.plan_runs import PlanHandle, UndoHandle, find_plan, start_plan, undo_run
from outlive.registry import BatchFunction, Registry
from outlive.requesting import agent_input, made_up_id, outputs_of, request_digest
from outlive.runs import Conversation, RunHandle
from outlive.schedules.schedules import Schedules
from outlive.settings import Settings
from outlive.starting import start_once
from outlive.streams.log import StreamLog
from outlive.streams.schema import streams_of

if TYPE_CHECKING:
    from pydantic_ai import Agent

    from outlive.trace.outlines import Outlines


class Client:
    """A connection to the engine and to the ledger of one project.

    ``async with Client(settings, app=app) as client`` opens both.
    """

    def __init__(self, settings: Settings | None = None, *, app: App | None = None) -> None:
        self.settings = settings or Settings.load()
        self.app = app or App("outlive")
        keys = keyring_of(self.settings)
        self.ledger = Ledger(ledger_of(self.settings), keys=keys)
        self.streams = StreamLog(streams_of(self.settings), keys=keys)
        self._temporal: temporalio.client.Client | None = None
        self._outlines: Outlines | None = None

    async def __aenter__(self) -> Self:
        """Open the ledger. The engine is connected to when it is first needed.

        Raises:
            LedgerError: If the ledger cannot be opened.
        """
        Home(self.settings.home).create()
        await self.ledger.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._outlines is not None:
            await self._outlines.aclose()
        await self.streams.aclose()
        await self.ledger.__aexit__(kind, error, trace)

    async def temporal(self) -> temporalio.client.Client:
        """Return the connection to Temporal.

        Raises:
            EngineUnavailable: If no engine runs for this project and no cluster is configured.
        """
        if self._temporal is None or has_moved(self._temporal, self.settings):
            self._temporal = await connect(self.settings)
        return self._temporal

    @property
    def desk(self) -> Desk:
        """What waits for a person."""

        async def itself() -> Client:
            return self

        return Desk(itself)

    @property
    def schedules(self) -> Schedules:
        """What is started again and again, at set times."""

        async def itself() -> Client:
            return self

        return Schedules(itself)

    @property
    def outlines(self) -> "Outlines":
        """Runs in rows, for pages that show them while they go on."""
        if self._outlines is None:
            from outlive.trace.outlines import Outlines

            self._outlines = Outlines(self.temporal, self.settings, ledger=self.ledger)
        return self._outlines

    @property
    def registry(self) -> Registry:
        """What the app declares."""
        return self.app.registry

    def function(self, name: str) -> BatchFunction:
        """Return a batch function of the app.

        Raises:
            AppError: If the app has none of this name.
        """
        return self.app.registry.batch(name)

    async def load_batch(self, request: BatchRequest) -> "BatchHandle":
        """Write a batch and its documents down, without starting it.

        The same request gives the same batch: an id that exists already is returned as it stands.

        Raises:
            SourceError: If the source cannot be read.
            BatchError: If the id stands for a batch with another recipe.
        """
        loaded = await load_batch(self.ledger, self.registry, request)
        await self._subscribe(batch_workflow_id(loaded.batch_id), request.notify)
        return BatchHandle(self, loaded.batch_id, is_new=loaded.is_new)

    async def _subscribe(self, workflow_id: str, notify: Notify, *, is_conversation: bool = False) -> None:
        """Let targets be told of a workflow, before it begins."""
        if told := targets_of(notify):
            await self.ledger.call(self.ledger.outbox.subscribe, workflow_id, told, is_conversation=is_conversation)

    async def start_batch(self, request: BatchRequest) -> "BatchHandle":
        """Start a batch, or return the one that the same request has started before. Returns at once.

        Raises:
            SourceError: If the source cannot be read.
            BatchError: If the id stands for a batch with another recipe.
            EngineUnavailable: If no engine answers; the documents are written down by then, and starting again goes on.
        """
        handle = await self.load_batch(request)
        await handle.start()
        return handle

    async def batch(self, batch_id: str) -> "BatchHandle":
        """Return the handle of a batch of this project.

        Raises:
            BatchError: If it is unknown.
        """
        handle = BatchHandle(self, batch_id.removeprefix("batch/"))
        await handle.record()
        return handle

    async def batches(self) -> list["BatchHandle"]:
        """Return all batches of this project, the oldest first."""
        ids = await self.ledger.call(self.ledger.batches.ids)
        return [BatchHandle(self, batch_id) for batch_id in ids if not batch_id.startswith("loading-")]

    async def next_id(self, name: str) -> str:
        """Return a free id of the shape ``name-2026-05-31-1``."""
        stem = f"{name}-{dt.datetime.now(tz=dt.UTC).astimezone().date().isoformat()}-"
        taken = set(await self.ledger.call(self.ledger.batches.ids, stem))
        return next(f"{stem}{number}" for number in range(1, len(taken) + 2) if f"{stem}{number}" not in taken)

    async def find_batch(self, batch_id: str) -> BatchRecord | None:
        """Return a batch as the ledger has it; None where there is none, or it is still being written down."""
        return await find_batch(self.ledger, batch_id)

    async def start_run(
        self,
        agent: "Agent[Any, Any] | str",
        prompt: Any,
        *,
        run_id: str | None = None,
        deps: Any = None,
        model: str | None = None,
        messages: Sequence[Any] = (),
        budget: Budget | None = None,
        tenant: str | None = None,
        notify: Notify = None,
    ) -> RunHandle[Any]:
        """Start a run of an agent, or return the one that the same id stands for. Returns at once.

        Args:
            agent: An agent of the app, or its name.
            prompt: What the agent is asked: text, or a list of Pydantic AI user content.
            run_id: Id that a person reads, unique among the agent's runs. None makes one up.
            deps: Dependencies of the agent's ``deps_type``.
            model: Model name in place of the agent's own.
            messages: A conversation to go on from: ``RunResult.messages`` of an earlier run.
            budget: The most that the run may spend, in place of the agent's own.
            tenant: On whose behalf it spends: the budget of ``tenant/NAME`` pays as well.
            notify: Who is told of it, besides those whom the app tells of everything.

        Raises:
            AppError: If the app has no such agent.
            RunError: If the id stands for another request.
            EngineUnavailable: If no engine answers.
        """
        name, declared = self._agent(agent)
        workflow_id = agent_workflow_id(name, run_id or made_up_id())
        request = agent_input(
            declared,
            workflow_id,
            prompt=prompt,
            deps=deps,
            model=model,
            messages=messages,
            budget=budget,
            tenant=tenant,
        )
        await self._subscribe(workflow_id, notify)
        is_new = await self._start(workflow_id, request, summary=str(prompt)[:180])
        return RunHandle(self, workflow_id, outputs_of(declared), is_new=is_new)

    async def conversation(
        self,
        agent: "Agent[Any, Any] | str",
        *,
        conversation_id: str | None = None,
        deps: Any = None,
        model: str | None = None,
        budget: Budget | None = None,
        tenant: str | None = None,
        notify: Notify = None,
    ) -> Conversation[Any]:
        """Open a conversation with an agent, or return the one that the id stands for.

        Raises:
            AppError: If the app has no such agent.
            RunError: If the id stands for a run that is no conversation.
            EngineUnavailable: If no engine answers.
        """
        name, declared = self._agent(agent)
        workflow_id = agent_workflow_id(name, conversation_id or made_up_id())
        request = agent_input(
            declared, workflow_id, deps=deps, model=model, budget=budget, tenant=tenant, is_conversation=True
        )
        await self._subscribe(workflow_id, [*self.registry.notify, *targets_of(notify)], is_conversation=True)
        is_new = await self._start(workflow_id, request, summary=CONVERSATION_SUMMARY)
        return Conversation(self, workflow_id, outputs_of(declared), is_new=is_new)

    async def run(self, run_id: str, *, agent: str | None = None) -> RunHandle[Any]:
        """Return the handle of a run.

        Args:
            run_id: The caller's id, ``AGENT/ID``, or the whole workflow id.
            agent: The agent, where the id alone does not tell.

        Raises:
            RunError: If there is none of this id, or several of different agents.
        """
        temporal = await self.temporal()
        workflow_id = await find_run(temporal, run_id, agent=agent)
        name = (split_agent_workflow_id(workflow_id) or ("", ""))[0]
        declared = self.app.registry.agents.get(name)
        return RunHandle(self, workflow_id, outputs_of(declared))

    async def runs(
        self,
        *,
        agent: str | None = None,
        states: Sequence[str] = (),
        since: dt.datetime | None = None,
        limit: int = 100,
    ) -> AsyncIterator[RunHealth]:
        """Yield the runs of agents that the engine has, the latest first.

        Args:
            states: Of `RunHealth.state`; all, where none is given.
            since: Only those that were started later.
        """
        temporal = await self.temporal()
        async for found in list_runs(temporal, agent=agent, states=states, since=since, limit=limit):
            yield found

    async def start_plan(
        self,
        plan: Callable[..., Any] | str,
        request: Any = None,
        *,
        run_id: str | None = None,
        shadow: bool = False,
        notify: Notify = None,
    ) -> PlanHandle:
        """Start a run of a plan, or return the one that the same id stands for. Returns at once.

        Args:
            plan: A plan of the app, or its name.
            request: A value of the plan's input type, or JSON values that fit it.
            run_id: Id that a person reads, unique among the plan's runs. None makes one up.
            shadow: Whether effects are only recorded.

        Raises:
            AppError: If the app has no such plan.
            RunError: If the input does not fit, or the id stands for another request.
            EngineUnavailable: If no engine answers.
        """
        declared = self.registry.plan(plan if isinstance(plan, str) else self.registry.plan_name(plan))
        run_id = run_id or made_up_id()
        await self._subscribe(plan_workflow_id(declared.name, run_id), notify)
        return await start_plan(self, declared, request, run_id=run_id, is_shadow=shadow)

    async def plan(self, run_id: str) -> PlanHandle:
        """Return the handle of a run of a plan: by the caller's id, ``PLAN/ID``, or the whole workflow id.

        Raises:
            RunError: If there is none of this id, or several of different plans.
        """
        handle = PlanHandle(self, await find_plan(await self.temporal(), run_id))
        return PlanHandle(self, handle.workflow_id, self.registry.plans.get(handle.plan))

    async def undo(self, workflow_id: str) -> UndoHandle:
        """Take back what a run that has ended, and its children, have done; the latest first. Returns at once.

        Raises:
            RunError: If there is no such run, or it has not ended.
        """
        return await undo_run(self, workflow_id)

    def _agent(self, agent: "Agent[Any, Any] | str") -> "tuple[str, Agent[Any, Any]]":
        name = agent if isinstance(agent, str) else agent.name or ""
        return name, self.app.registry.agent(name)

    async def _start(self, workflow_id: str, request: AgentInput, *, summary: str) -> bool:
        """Start the agent workflow, or make sure that the one of this id is of the same request."""
        return await start_once(
            await self.temporal(),
            AGENT_WORKFLOW,
            request,
            workflow_id=workflow_id,
            task_queue=self.settings.task_queue,
            digest=request_digest(request),
            summary=summary,
            priority=priority_of(tenant_of(request.budgets), self.registry.priorities),
        )

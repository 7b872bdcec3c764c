"""What an application calls: start a batch or an agent, follow it, change it, read its results."""

import contextlib
import datetime as dt
import uuid
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import temporalio.client
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from outlive.app import App
from outlive.batch_requests import BatchRequest
from outlive.contracts.agents import AgentInput, AgentMessage
from outlive.contracts.batches import BatchSpec
from outlive.contracts.budgets import Budget
from outlive.desk.desk import Desk
from outlive.documents.entries import Entry, address_key
from outlive.encryption.keyring import keyring_of
from outlive.engine.connection import connect, has_moved
from outlive.engine.home import Home
from outlive.engine.run_health import RunHealth, find_run, list_runs
from outlive.errors import BatchError, EngineUnavailable, RunError
from outlive.handles import BatchHandle
from outlive.ledger.ledger import Ledger
from outlive.ledger.records import BatchRecord, BatchState, NewDocument, require_same
from outlive.names import (
    AGENT_WORKFLOW,
    REQUEST_MEMO,
    agent_workflow_id,
    batch_workflow_id,
    split_agent_workflow_id,
)
from outlive.plan_runs import PlanHandle, UndoHandle, find_plan, start_plan, undo_run
from outlive.registry import BatchFunction, Registry, recipe_of
from outlive.requesting import as_json, made_up_id, outputs_of, request_digest
from outlive.runs import Conversation, RunHandle
from outlive.settings import Settings
from outlive.streams.log import StreamLog
from outlive.workflows.policies import WORKFLOW_TASK_TIMEOUT

if TYPE_CHECKING:
    from pydantic_ai import Agent

STALE_LOADING_SECONDS = 24 * 3600


class Client:
    """A connection to the engine and to the ledger of one project.

    ``async with Client(settings, app=app) as client`` opens both.
    """

    def __init__(self, settings: Settings | None = None, *, app: App | None = None) -> None:
        self.settings = settings or Settings.load()
        self.app = app or App("outlive")
        self.ledger = Ledger(self.settings.ledger or Home(self.settings.home).ledger_db, keys=keyring_of(self.settings))
        self.streams = StreamLog(Home(self.settings.home).streams_db, keys=keyring_of(self.settings))
        self._temporal: temporalio.client.Client | None = None

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
        spec = replace(request.spec, source=request.source.description)
        spec = replace(spec, recipe=recipe_of(self.function(spec.function), spec))
        if request.batch_id is not None and (found := await self.find_batch(request.batch_id)):
            require_same(found, spec)
            return await self._loaded(request, request.batch_id)
        provisional = f"loading-{uuid.uuid4().hex}"
        books = self.ledger.batches
        await self.ledger.call(books.remove_stale, STALE_LOADING_SECONDS)
        await self.ledger.call(books.create, replace(spec, batch_id=provisional))
        try:
            entries = _new_documents(request.source.entries())
            digest = await self.ledger.call(books.add_documents, provisional, entries)
            batch_id = request.batch_id or await self._derived_id(spec, digest)
            if found := await self.find_batch(batch_id):
                require_same(found, spec if request.batch_id else replace(spec, source=found.spec.source))
                await self.ledger.call(books.remove, provisional)
            else:
                await self.ledger.call(books.seal, provisional, rename_to=batch_id)
        except BaseException:
            with contextlib.suppress(BatchError):
                await self.ledger.call(books.remove, provisional)
            raise
        return await self._loaded(request, batch_id)

    async def _loaded(self, request: BatchRequest, batch_id: str) -> "BatchHandle":
        if request.budget is not None:
            await self.ledger.call(self.ledger.budgets.declare, request.budget.scope(batch_workflow_id(batch_id)))
        return BatchHandle(self, batch_id)

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
        found = await self.ledger.call(self.ledger.batches.find, batch_id)
        return None if found is None or found.state is BatchState.LOADING else found

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

        Raises:
            AppError: If the app has no such agent.
            RunError: If the id stands for another request.
            EngineUnavailable: If no engine answers.
        """
        from outlive.agents.durable import payers_of_run

        message = AgentMessage(message_id="start", content=as_json(prompt))
        name, declared = self._agent(agent)
        workflow_id = agent_workflow_id(name, run_id or made_up_id())
        request = AgentInput(
            agent=name,
            model=model,
            deps=self._deps(declared, deps),
            inbox=[message],
            messages=list(messages),
            budgets=payers_of_run(declared, workflow_id, budget, tenant),
        )
        await self._start(workflow_id, request, summary=str(prompt)[:180])
        return RunHandle(self, workflow_id, outputs_of(declared))

    async def conversation(
        self,
        agent: "Agent[Any, Any] | str",
        *,
        conversation_id: str | None = None,
        deps: Any = None,
        model: str | None = None,
        budget: Budget | None = None,
        tenant: str | None = None,
    ) -> Conversation[Any]:
        """Open a conversation with an agent, or return the one that the id stands for.

        Raises:
            AppError: If the app has no such agent.
            RunError: If the id stands for a run that is no conversation.
            EngineUnavailable: If no engine answers.
        """
        from outlive.agents.durable import payers_of_run

        name, declared = self._agent(agent)
        workflow_id = agent_workflow_id(name, conversation_id or made_up_id())
        request = AgentInput(
            agent=name,
            model=model,
            deps=self._deps(declared, deps),
            is_conversation=True,
            budgets=payers_of_run(declared, workflow_id, budget, tenant),
        )
        await self._start(workflow_id, request, summary="conversation")
        return Conversation(self, workflow_id, outputs_of(declared))

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
        self, plan: Callable[..., Any] | str, request: Any = None, *, run_id: str | None = None, shadow: bool = False
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
        name = plan if isinstance(plan, str) else self.registry.plan_name(plan)
        declared = self.registry.plan(name)
        return await start_plan(self, declared, request, run_id=run_id or made_up_id(), is_shadow=shadow)

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

    def _deps(self, agent: "Agent[Any, Any]", deps: Any) -> Any:
        if deps is None:
            return None
        from pydantic import TypeAdapter

        adapter: TypeAdapter[Any] = TypeAdapter(agent.deps_type)
        return adapter.dump_python(deps, mode="json")

    async def _start(self, workflow_id: str, request: AgentInput, *, summary: str) -> None:
        """Start the agent workflow, or make sure that the one of this id is of the same request."""
        temporal = await self.temporal()
        digest = request_digest(request)
        try:
            await temporal.start_workflow(
                AGENT_WORKFLOW,
                request,
                id=workflow_id,
                task_queue=self.settings.task_queue,
                id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
                id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
                task_timeout=WORKFLOW_TASK_TIMEOUT,
                static_summary=summary,
                memo={REQUEST_MEMO: digest},
            )
        except WorkflowAlreadyStartedError as error:
            description = await temporal.get_workflow_handle(workflow_id).describe()
            known = await description.memo_value(REQUEST_MEMO, default=None)
            if known is not None and known != digest:
                raise RunError(
                    f"The id {workflow_id!r} stands for another request. Take another id, or leave it out."
                ) from error
        except RPCError as error:
            raise EngineUnavailable(f"The engine did not start {workflow_id!r}: {error.message}.") from error

    async def _derived_id(self, spec: BatchSpec, digest: str) -> str:
        """Return the id that belongs to these documents and this recipe; with `fresh`, the next one not finished."""
        name = spec.function.rpartition(".")[2]
        stem = f"{name}-{digest[:8]}{spec.recipe[:4]}"
        if not spec.fresh:
            return stem
        number = 1
        while (found := await self.find_batch(f"{stem}-fresh-{number}")) and found.state is BatchState.FINISHED:
            number += 1
        return f"{stem}-fresh-{number}"


def _new_documents(entries: Iterable[Entry]) -> Iterator[NewDocument]:
    for entry in entries:
        uri, text, fields = entry.uri, entry.text, entry.fields or None
        address = address_key(uri)
        yield NewDocument(uri=uri, address=address, text=text, fields=fields, cause=entry.cause, reason=entry.reason)

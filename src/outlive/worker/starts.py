"""The activity that prepares what a schedule starts: it does what a client does before it starts a run."""

import asyncio
from dataclasses import replace

from pydantic_core import to_jsonable_python
from temporalio import activity

from outlive.batch_loading import load_batch
from outlive.batch_requests import request_for
from outlive.contracts.budgets import Budget
from outlive.contracts.starts import AgentStart, BatchStart, PlanStart, PreparedStart, StartToPrepare
from outlive.contracts.windows import batch_input
from outlive.engine.priority import priority_of
from outlive.ledger.ledger import Ledger
from outlive.names import (
    AGENT_WORKFLOW,
    BATCH_WORKFLOW,
    PLAN_WORKFLOW,
    PREPARE_START,
    agent_workflow_id,
    batch_workflow_id,
    plan_workflow_id,
)
from outlive.registry import Registry
from outlive.requesting import agent_input, deps_of, request_digest
from outlive.settings import Settings
from outlive.worker.beating import beat

SUMMARY_LENGTH = 180


class ScheduledStarts:
    """Turns what a schedule holds into the workflow that is to run, under the id of its time."""

    def __init__(self, registry: Registry, ledger: Ledger, settings: Settings) -> None:
        self._registry = registry
        self._ledger = ledger
        self._settings = settings

    @activity.defn(name=PREPARE_START)
    async def prepare_start(self, asked: StartToPrepare) -> PreparedStart:
        """Return what is to be started. Again, after a crash, it is the same."""
        beating = asyncio.create_task(beat())
        try:
            start = asked.start.start
            if isinstance(start, AgentStart):
                return self._in_turn(start.tenant, self._agent(start, asked.run_id))
            if isinstance(start, PlanStart):
                return self._plan(start, asked.run_id)
            return self._in_turn(start.tenant, await self._batch(start, asked.run_id))
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    def _in_turn(self, tenant: str, prepared: PreparedStart) -> PreparedStart:
        """Let it wait with the priority of its tenant, as what a client starts does."""
        priority = priority_of(tenant, self._registry.priorities)
        return replace(prepared, priority_key=priority.priority_key, fairness_key=priority.fairness_key or "")

    def _agent(self, start: AgentStart, run_id: str) -> PreparedStart:
        agent = self._registry.agent(start.agent)
        workflow_id = agent_workflow_id(start.agent, run_id)
        argument = agent_input(
            agent,
            workflow_id,
            prompt=start.prompt,
            deps=deps_of(agent, start.deps),
            model=start.model,
            budget=Budget.parse(start.budget) if start.budget else None,
            tenant=start.tenant or None,
        )
        return PreparedStart(
            workflow=AGENT_WORKFLOW,
            workflow_id=workflow_id,
            argument=to_jsonable_python(argument),
            request=request_digest(argument),
            summary=str(start.prompt)[:SUMMARY_LENGTH],
        )

    def _plan(self, start: PlanStart, run_id: str) -> PreparedStart:
        from outlive.plan_runs import plan_input, plan_summary

        plan = self._registry.plan(start.plan)
        argument, digest = plan_input(plan, start.input, is_shadow=start.shadow)
        return PreparedStart(
            workflow=PLAN_WORKFLOW,
            workflow_id=plan_workflow_id(start.plan, run_id),
            argument=to_jsonable_python(argument),
            request=digest,
            summary=plan_summary(plan, is_shadow=start.shadow),
        )

    async def _batch(self, start: BatchStart, run_id: str) -> PreparedStart:
        request = await asyncio.to_thread(
            request_for, start, self._registry, self._settings, batch_id=run_id
        )  # a source may be a folder with many files
        await load_batch(self._ledger, self._registry, request)
        record = await self._ledger.call(self._ledger.batches.find, run_id)
        assert record is not None
        argument = batch_input(run_id, document_count=record.document_count, concurrency=record.concurrency)
        return PreparedStart(
            workflow=BATCH_WORKFLOW,
            workflow_id=batch_workflow_id(run_id),
            argument=to_jsonable_python(argument),
            summary=f"{record.unique_count:,} documents with {record.spec.model}",
        )

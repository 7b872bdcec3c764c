"""Agents as tools of another agent: each call is a run of its own, a child of the run that asks."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic_ai import Agent, RunContext
from pydantic_ai.capabilities import AbstractCapability
from pydantic_ai.durable_exec.temporal import TemporalDurability
from pydantic_ai.toolsets import AgentToolset, FunctionToolset
from temporalio import workflow

from outlive.agents.host import run_host
from outlive.agents.outputs import usage_as_json, usage_from_json
from outlive.contracts.agents import AgentInput, AgentMessage, AgentOutcome
from outlive.contracts.budgets import Budget, BudgetScope
from outlive.contracts.events import EventKind
from outlive.errors import AppError
from outlive.names import AGENT_WORKFLOW, agent_workflow_id, split_agent_workflow_id
from outlive.workflows import policies

TOOLSET_ID = "outlive_sub_agents"

Tell = Callable[..., Awaitable[None]]
"""``await tell(kind, note_id, **data)``: as `RunHost.note`."""


@dataclass(kw_only=True)
class SubAgents(AbstractCapability[Any]):
    """Lets an agent ask others: ``capabilities=[Durable(), SubAgents(agents=[researcher])]``.

    Each agent becomes the tool ``ask_NAME(task)``. A call is a child run: durable by itself, shown inside its parent's
    trace, cancelled with it; its usage and cost count as the parent's, and so against the parent's limits.

    Attributes:
        agents: Durable agents with a name; a ``description`` tells the model what to ask them for.
    """

    agents: Sequence[Agent[Any, Any]]
    id: str = field(default=TOOLSET_ID, init=False)

    def __post_init__(self) -> None:
        for agent in self.agents:
            if not agent.name:
                raise AppError("A sub-agent needs a name: `Agent(..., name='researcher')`.")

    def get_toolset(self) -> AgentToolset[Any]:
        """Return one tool for each agent."""
        toolset: FunctionToolset[Any] = FunctionToolset(id=TOOLSET_ID)
        for agent in self.agents:
            toolset.add_function(
                _asking(agent),
                name=f"ask_{agent.name}",
                description=getattr(agent, "description", None) or f"Ask the agent {agent.name!r} to do a task.",
                metadata={"temporal": False},  # in the workflow itself, which starts the child
            )
        return toolset


def _asking(agent: Agent[Any, Any]) -> Any:
    async def ask(ctx: RunContext[Any], task: str) -> Any:
        if not workflow.in_workflow():
            result = await agent.run(task, usage=ctx.usage)
            return result.output
        host = run_host()
        tell, payers = (None, []) if host is None else (host.note, host.money.payers())
        outcome = await child_run(agent, task, tell=tell, payers=payers)
        ctx.usage.incr(usage_from_json(outcome.usage))
        return outcome.output

    return ask


async def child_run(
    asked: Agent[Any, Any], task: str, *, tell: Tell | None = None, payers: Sequence[BudgetScope] = ()
) -> AgentOutcome:
    """Let an agent work on a task in a child run of the workflow whose code this is.

    Args:
        tell: Tells the readers of the parent of it.
        payers: What pays for its calls, besides its own budget.
    """
    agent, workflow_id = asked.name or "", workflow.info().workflow_id
    parent = split_agent_workflow_id(workflow_id)
    parent_id = parent[1] if parent else workflow_id.rpartition("/")[2]
    child_id = agent_workflow_id(agent, f"{parent_id}.{workflow.uuid4().hex[:6]}")
    if tell is not None:
        await tell(EventKind.CHILD_STARTED, child_id, stream=child_id, agent=agent)
    outcome: AgentOutcome = await workflow.execute_child_workflow(
        AGENT_WORKFLOW,
        AgentInput(
            agent=agent,
            inbox=[AgentMessage(message_id="start", content=task)],
            wants_messages=False,
            budgets=_budgets(asked, child_id, payers),
        ),
        id=child_id,
        result_type=AgentOutcome,
        parent_close_policy=workflow.ParentClosePolicy.REQUEST_CANCEL,
        task_timeout=policies.WORKFLOW_TASK_TIMEOUT,
        static_summary=task[:180],
    )
    if tell is not None:
        usage = usage_as_json(usage_from_json(outcome.usage))
        await tell(EventKind.CHILD_ENDED, child_id, stream=child_id, agent=agent, usage=usage)
    return outcome


def _budgets(agent: Agent[Any, Any], child_id: str, payers: Sequence[BudgetScope]) -> list[BudgetScope]:
    """Return what pays for the calls of a child: what pays for its parent's, and its own budget."""
    durable = TemporalDurability.from_agent(agent)
    own: Budget | None = getattr(durable, "budget", None)
    return [*payers, *([own.scope(child_id)] if own else [])]


def sub_agents_of(agent: Agent[Any, Any]) -> list[Agent[Any, Any]]:
    """Return the agents that an agent may ask, and those that these may ask."""
    found: list[Agent[Any, Any]] = []

    def visit(capability: AbstractCapability[Any]) -> None:
        if isinstance(capability, SubAgents):
            for other in capability.agents:
                if other not in found:
                    found.append(other)
                    found.extend(more for more in sub_agents_of(other) if more not in found)

    agent.root_capability.apply(visit)
    return found

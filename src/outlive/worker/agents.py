"""What a worker needs to serve agents and plans, and to take their effects back."""

from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from pydantic_ai import Agent
from pydantic_ai.durable_exec.temporal import AgentPlugin, PydanticAIPlugin
from pydantic_ai.toolsets import AbstractToolset, FunctionToolset

from outlive import registry as served
from outlive.activities.budgets import BudgetBooks
from outlive.activities.effects import EffectBooks
from outlive.activities.hand_offs import HandOffBooks
from outlive.activities.plans import UndoActivities, effect_activities
from outlive.activities.runs import RunNotes
from outlive.activities.telling import Teller
from outlive.agents.mcp_pool import McpPool
from outlive.agents.services import DEFAULT_MODEL, Services, offer
from outlive.agents.serving import FAILURES, Served
from outlive.encryption.keyring import keyring_of
from outlive.engine.connection import connect
from outlive.ledger.ledger import Ledger
from outlive.models.pacing import Pacer
from outlive.models.prices import Prices
from outlive.money.purse import Purse
from outlive.registry import Registry
from outlive.settings import Settings
from outlive.streams.schema import streams_of
from outlive.streams.writing import StreamWriter
from outlive.worker.effects import CallSurroundings, EffectInterceptor
from outlive.worker.holdings import Holdings
from outlive.worker.leases import Leases
from outlive.worker.parts import WorkerParts, workflow_runner
from outlive.worker.pulse import Pulse
from outlive.workflows.agent import AgentWorkflow
from outlive.workflows.plan import PlanWorkflow
from outlive.workflows.undo import UndoWorkflow
from outlive.workflows.wave import WaveWorkflow

WORKFLOWS: tuple[type, ...] = (AgentWorkflow, PlanWorkflow, WaveWorkflow, UndoWorkflow)
"""What runs agents and plans."""


@asynccontextmanager
async def serve_agents(
    registry: Registry,
    *,
    ledger: Ledger,
    settings: Settings,
    holdings: Holdings,
    purse: Purse,
    prices: Prices,
    pacer: Pacer,
    teller: Teller,
) -> AsyncIterator[WorkerParts]:
    """Prepare to serve an app's agents and plans, for as long as the block runs."""
    agents = list(registry.agents.values())
    served.serve_agents([Served(agent) for agent in agents], failures=FAILURES)
    served.serve_plans(registry.plans.values())
    async with AsyncExitStack() as stack:
        around = CallSurroundings(
            ledger=ledger,
            streams=await stack.enter_async_context(StreamWriter(streams_of(settings), keys=keyring_of(settings))),
            pulse=await stack.enter_async_context(Pulse(lambda: connect(settings))),
            mcp=await stack.enter_async_context(McpPool(agents)),
            holdings=holdings,
            leases=await stack.enter_async_context(Leases(ledger)),
        )
        offered = await stack.enter_async_context(
            offer(settings, ledger, around.streams, purse=purse, prices=prices, pacer=pacer)
        )
        _build_models(agents, offered)
        notes = await stack.enter_async_context(RunNotes(ledger, around.streams, teller))
        books = HandOffBooks(registry, ledger, around.streams, teller)
        undoing = UndoActivities(registry, ledger)
        yield WorkerParts(
            workflow_runner=workflow_runner(),
            workflows=WORKFLOWS,
            activities=[
                notes.note_run,
                EffectBooks(ledger).settle_effect,
                BudgetBooks(ledger).raise_budget,
                books.record_hand_off,
                books.tell_hand_off,
                undoing.list_undoable,
                undoing.undo_effect,
                *effect_activities(registry.effects),
            ],
            interceptors=[EffectInterceptor(around)],
            plugins=[PydanticAIPlugin(), *(AgentPlugin(agent) for agent in agents)],
            agents={agent.name or "": _tools(agent) for agent in agents},
        )
    served.serve_agents([])
    served.serve_plans([])


def _tools(agent: Agent[Any, Any]) -> set[str]:
    """Return the tools of an agent, as ``TOOLSET:TOOL``."""
    found: set[str] = set()

    def note(toolset: AbstractToolset[Any]) -> None:
        names = toolset.tools if isinstance(toolset, FunctionToolset) else ["*"]
        found.update(f"{toolset.id}:{name}" for name in names)

    for toolset in agent.toolsets:
        toolset.apply(note)
    return found


def _build_models(agents: Iterable[Agent[Any, Any]], offered: Services) -> None:
    """Build the models that runs will ask for: a first workflow task that has to takes too long on a busy machine."""
    for agent in agents:
        name = DEFAULT_MODEL if agent.model is None else agent.model
        if isinstance(name, str):
            offered.trouble(name)  # what is missing is said by the call itself

"""Taking back what runs have done: which runs belong together, and how each of their effects is taken back."""

from collections.abc import AsyncIterator
from typing import Any, Protocol

from outlive.effects.declaring import Effect, Undo
from outlive.ledger.effects import EffectRecord, EffectState
from outlive.names import UNDO_WORKFLOW, split_agent_workflow_id
from outlive.registry import Registry


class Execution(Protocol):
    """A workflow, as the engine lists it."""

    @property
    def id(self) -> str:
        """Its workflow id."""
        ...


class Lister(Protocol):
    """What is needed of a client of Temporal."""

    def list_workflows(self, query: str) -> AsyncIterator[Any]:
        """Yield the workflows that a query finds."""
        ...


async def family(temporal: Lister, workflow_id: str) -> list[str]:
    """Return a run and all runs that it has started, and those have, as workflow ids."""
    found = [workflow_id]
    for parent in found:
        query = f'ParentWorkflowId = "{parent}" AND WorkflowType != "{UNDO_WORKFLOW}"'
        async for child in temporal.list_workflows(query):
            if child.id not in found:
                found.append(child.id)
    return found


class Undos:
    """How the effects of an app are taken back."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._tools: dict[str, dict[str, Effect]] = {}

    def of(self, record: EffectRecord) -> Undo | None:
        """Return the function that takes an effect back; None for one that declares none."""
        declaration = self.declaration(record.name, owner=owner_of(record))
        return None if declaration is None else declaration.undo

    def can_undo(self, record: EffectRecord) -> bool:
        """Whether an effect is certain to have happened, and declares how it is taken back."""
        return record.state is EffectState.DONE and self.of(record) is not None

    def declaration(self, name: str, *, owner: str) -> Effect | None:
        """Return what an effect of a plan, or a tool of the agent ``owner``, is declared as."""
        if not owner:
            found = self._registry.effects.get(name)
            return None if found is None else found.declaration
        if owner not in self._tools:
            from outlive.agents.catalog import declared_effects  # Pydantic AI takes seconds to import

            agent = self._registry.agents.get(owner)
            self._tools[owner] = {} if agent is None else declared_effects(agent)
        return self._tools[owner].get(name)


def owner_of(record: EffectRecord) -> str:
    """Return the agent whose tool an effect was; empty for an effect of a plan."""
    parts = split_agent_workflow_id(record.workflow_id)
    return parts[0] if parts and record.kind == "tool" else ""

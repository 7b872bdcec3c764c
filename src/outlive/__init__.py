"""Outlive makes AI agents and LLM batches finish, whatever dies under them.

The names in ``__all__`` are the public API. Each is imported on first use, so that importing one contract
inside the workflow sandbox never imports an HTTP, database or model library.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from outlive.agents.compaction import Compaction as Compaction
    from outlive.agents.durable import Durable as Durable
    from outlive.agents.durable import in_memory as in_memory
    from outlive.agents.options import tool_options as tool_options
    from outlive.agents.sub_agents import SubAgents as SubAgents
    from outlive.app import App as App
    from outlive.batch_requests import BatchRequest as BatchRequest
    from outlive.client import Client as Client
    from outlive.contracts.budgets import Budget as Budget
    from outlive.contracts.hand_offs import HandOffNews as HandOffNews
    from outlive.contracts.hand_offs import HandOffPolicy as HandOffPolicy
    from outlive.contracts.limits import Limit as Limit
    from outlive.contracts.notifications import Kafka as Kafka
    from outlive.contracts.notifications import Webhook as Webhook
    from outlive.contracts.plans import FailedItem as FailedItem
    from outlive.contracts.plans import Worked as Worked
    from outlive.contracts.starts import AgentStart as AgentStart
    from outlive.contracts.starts import BatchStart as BatchStart
    from outlive.contracts.starts import PlanStart as PlanStart
    from outlive.documents.document import Document as Document
    from outlive.documents.sources import open_source as open_source
    from outlive.effects.current import idempotency_key as idempotency_key
    from outlive.effects.current import progress as progress
    from outlive.effects.declaring import Happened as Happened
    from outlive.effects.declaring import UndoneEffect as UndoneEffect
    from outlive.effects.declaring import effect as effect
    from outlive.effects.http import http_client as http_client
    from outlive.effects.transactions import connection as connection
    from outlive.errors import EffectFailed as EffectFailed
    from outlive.errors import EffectNotDone as EffectNotDone
    from outlive.errors import OutliveError as OutliveError
    from outlive.errors import PlanFailed as PlanFailed
    from outlive.handles import BatchHandle as BatchHandle
    from outlive.handles import BatchStatus as BatchStatus
    from outlive.models.llm import Llm as Llm
    from outlive.plan_runs import PlanHandle as PlanHandle
    from outlive.plans.plan import Plan as Plan
    from outlive.runs import Conversation as Conversation
    from outlive.runs import RunHandle as RunHandle
    from outlive.runs import RunResult as RunResult
    from outlive.schedules.timing import Timing as Timing
    from outlive.settings import Settings as Settings

_HOMES = {
    "AgentStart": "outlive.contracts.starts",
    "App": "outlive.app",
    "BatchHandle": "outlive.handles",
    "BatchRequest": "outlive.batch_requests",
    "BatchStart": "outlive.contracts.starts",
    "BatchStatus": "outlive.handles",
    "Budget": "outlive.contracts.budgets",
    "Client": "outlive.client",
    "Compaction": "outlive.agents.compaction",
    "Conversation": "outlive.runs",
    "Document": "outlive.documents.document",
    "Durable": "outlive.agents.durable",
    "EffectFailed": "outlive.errors",
    "EffectNotDone": "outlive.errors",
    "FailedItem": "outlive.contracts.plans",
    "Happened": "outlive.effects.declaring",
    "HandOffNews": "outlive.contracts.hand_offs",
    "HandOffPolicy": "outlive.contracts.hand_offs",
    "Kafka": "outlive.contracts.notifications",
    "Limit": "outlive.contracts.limits",
    "Llm": "outlive.models.llm",
    "OutliveError": "outlive.errors",
    "Plan": "outlive.plans.plan",
    "PlanFailed": "outlive.errors",
    "PlanHandle": "outlive.plan_runs",
    "PlanStart": "outlive.contracts.starts",
    "RunHandle": "outlive.runs",
    "RunResult": "outlive.runs",
    "Settings": "outlive.settings",
    "SubAgents": "outlive.agents.sub_agents",
    "Timing": "outlive.schedules.timing",
    "UndoneEffect": "outlive.effects.declaring",
    "Webhook": "outlive.contracts.notifications",
    "Worked": "outlive.contracts.plans",
    "connection": "outlive.effects.transactions",
    "effect": "outlive.effects.declaring",
    "http_client": "outlive.effects.http",
    "idempotency_key": "outlive.effects.current",
    "in_memory": "outlive.agents.durable",
    "open_source": "outlive.documents.sources",
    "progress": "outlive.effects.current",
    "tool_options": "outlive.agents.options",
}

__all__ = [
    "AgentStart",
    "App",
    "BatchHandle",
    "BatchRequest",
    "BatchStart",
    "BatchStatus",
    "Budget",
    "Client",
    "Compaction",
    "Conversation",
    "Document",
    "Durable",
    "EffectFailed",
    "EffectNotDone",
    "FailedItem",
    "HandOffNews",
    "HandOffPolicy",
    "Happened",
    "Kafka",
    "Limit",
    "Llm",
    "OutliveError",
    "Plan",
    "PlanFailed",
    "PlanHandle",
    "PlanStart",
    "RunHandle",
    "RunResult",
    "Settings",
    "SubAgents",
    "Timing",
    "UndoneEffect",
    "Webhook",
    "Worked",
    "connection",
    "effect",
    "http_client",
    "idempotency_key",
    "in_memory",
    "open_source",
    "progress",
    "tool_options",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)

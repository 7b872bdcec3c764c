"""What a worker is put together from, besides what every worker serves."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Any

from temporalio.worker import Interceptor, Plugin, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

PASSED_THROUGH = (
    "outlive.agents",
    "outlive.contracts",
    "outlive.engine",
    "outlive.errors",
    "outlive.ledger",
    "outlive.meters",
    "outlive.models",
    "outlive.money",
    "outlive.names",
    "outlive.payloads",
    "outlive.registry",
    "outlive.settings",
    "outlive.streams",
)
"""Modules of ours that workflow code sees as the process has them. Never `outlive.workflows`: the sandbox checks it."""


def workflow_runner() -> WorkflowRunner:
    """Return what runs workflows: the sandbox, our lower floors passed through it."""
    return SandboxedWorkflowRunner(restrictions=SandboxRestrictions.default.with_passthrough_modules(*PASSED_THROUGH))


@dataclass(frozen=True, kw_only=True)
class WorkerParts:
    """What is added to a worker.

    Attributes:
        agents: Of each agent that is served the tools that it has, as ``TOOLSET:TOOL``; ``TOOLSET:*`` where a server
            has the list.
    """

    workflow_runner: WorkflowRunner
    workflows: Sequence[type] = ()
    activities: Sequence[Callable[..., Any]] = ()
    interceptors: Sequence[Interceptor] = ()
    plugins: Sequence[Plugin] = ()
    agents: Mapping[str, AbstractSet[str]] = field(default_factory=dict)

"""Whose work goes first where more waits than workers take: Temporal's priorities, and fairness between tenants."""

import hashlib
from collections.abc import Iterable, Mapping

from temporalio.common import Priority

from outlive.contracts.budgets import BudgetScope, tenant_key

LONGEST_KEY = 64  # bytes, of a fairness key


def tenant_of(scopes: Iterable[BudgetScope]) -> str:
    """Return the tenant among those that pay for a run; empty where there is none."""
    prefix = tenant_key("")
    return next((scope.key.removeprefix(prefix) for scope in scopes if scope.key.startswith(prefix)), "")


def priority_of(tenant: str, priorities: Mapping[str, int]) -> Priority:
    """Return what a workflow, and its activities and children by inheritance, wait with.

    Args:
        tenant: On whose behalf it runs; empty for nobody's.
        priorities: By tenant, 1 for the first to 5 for the last.
    """
    key = tenant
    if len(tenant.encode()) > LONGEST_KEY:
        key = hashlib.sha256(tenant.encode()).hexdigest()
    return Priority(priority_key=priorities.get(tenant), fairness_key=key or None)

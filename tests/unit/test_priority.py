"""Whose work goes first: by tenant."""

import pytest

from outlive import App
from outlive.contracts.budgets import BudgetScope
from outlive.engine.priority import LONGEST_KEY, priority_of, tenant_of
from outlive.errors import AppError


def test_work_of_a_tenant_waits_with_its_name_and_its_priority():
    found = priority_of("gold", {"gold": 1})

    assert (found.priority_key, found.fairness_key) == (1, "gold")


def test_work_of_nobody_waits_as_everything_does():
    found = priority_of("", {"gold": 1})

    assert (found.priority_key, found.fairness_key) == (None, None)


def test_a_long_name_is_told_from_others_within_the_length_that_a_key_may_have():
    one, other = (priority_of("x" * 100 + end, {}).fairness_key for end in "ab")

    assert one != other
    assert len(one or "") == LONGEST_KEY


def test_the_tenant_is_the_one_that_pays():
    assert tenant_of([BudgetScope(key="agent/a/1"), BudgetScope(key="tenant/gold")]) == "gold"
    assert tenant_of([BudgetScope(key="agent/a/1")]) == ""


@pytest.mark.parametrize("priority", [0, 6])
def test_a_priority_that_is_none_is_refused(priority):
    with pytest.raises(AppError, match="whole number from 1"):
        App("shop", priorities={"gold": priority})

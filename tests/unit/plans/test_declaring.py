"""What cannot be a plan, an effect of one, or waves, is said where it is declared, with what to do."""

import pytest

from outlive import App, Plan, effect
from outlive.contracts.plans import EffectCall
from outlive.errors import AppError
from outlive.names import plan_workflow_id, split_plan_workflow_id
from outlive.plans.waves import WavesWanted


async def good(plan: Plan, request: int) -> int:
    return request


async def greedy(plan: Plan, one: int, two: int) -> None: ...


def blocking(plan: Plan) -> None: ...


@pytest.mark.parametrize(
    ("function", "options", "said"),
    [
        (greedy, {}, "at most one input"),
        (blocking, {}, "`async def`"),
        (good, {"on_failure": "pray"}, "'park' or 'undo'"),
        (good, {"name": "a/b"}, "slash"),
    ],
)
def test_a_function_that_is_no_plan_is_refused(function, options, said):
    with pytest.raises(AppError, match=said):
        App("x").plan(**options)(function)


def test_names_are_taken_once_and_what_is_unknown_is_named():
    app = App("x")
    app.plan(good)
    app.effect()(make)
    with pytest.raises(AppError, match="'good' is declared twice"):
        app.plan(good)
    with pytest.raises(AppError, match="Two effects are named 'make'"):
        app.effect()(make)
    with pytest.raises(AppError, match="No plan 'bad' is declared"):
        app.registry.plan("bad")
    with pytest.raises(AppError, match="'greedy' is no plan"):
        app.registry.plan_name(greedy)


async def make(rows: list[int]) -> None: ...


def test_an_effect_that_is_declared_elsewhere_is_given_to_the_app():
    declared = effect("once")(make)

    assert App("x", effects=[declared]).registry.effects["make"].options == {"outlive": {"policy": "once"}}
    with pytest.raises(AppError, match="declares no effect"):
        App("x", effects=[make])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"shares": (0.1, 0.5)}, "the last being 1"),
        ({"shares": (0.5, 0.1, 1)}, "rising"),
        ({"shares": ()}, "rising"),
        ({"chunk": 0}, "chunk is 0"),
        ({"concurrency": -1}, "concurrency is -1"),
        ({"failure_bound": 2}, "0.02 is 2 %"),
    ],
)
def test_waves_that_cannot_be_are_refused(options, said):
    with pytest.raises(AppError, match=said):
        wanted(**options)


def wanted(**options) -> WavesWanted:
    given = {"items": 1000, "shares": (0.01, 1), "chunk": 10, "concurrency": 2, "failure_bound": 0.02} | options
    return WavesWanted(name="waves", call=EffectCall(name="make"), parameter="rows", reports=False, **given)


def test_a_wave_has_its_share_of_the_items_and_of_the_failures_that_are_allowed():
    numbers = wanted().wave(10, 1000, calls_per_run=7)
    listed = wanted(items=list("abcd")).wave(1, 3, calls_per_run=7)

    assert (numbers.items, numbers.start, numbers.stop, numbers.allowed) == ([], 10, 1000, 19)
    assert (listed.items, listed.start, listed.stop, listed.allowed) == (["b", "c"], 0, 0, 0)


def test_the_id_of_a_run_is_told_from_that_of_its_waves():
    assert split_plan_workflow_id(plan_workflow_id("migrate", "r")) == ("migrate", "r")
    assert split_plan_workflow_id("plan/migrate/r/waves-1") is None
    assert split_plan_workflow_id("agent/migrate/r") is None

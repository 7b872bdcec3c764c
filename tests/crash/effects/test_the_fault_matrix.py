"""Each policy, at each moment at which its worker can die: what was done is counted at the outside.

Once each; ``bench/fault_matrix.py`` does it twenty times and prints the table.
"""

import asyncio

import pytest

from crash.effects.matrix import POLICIES, Matrix, Point
from crash.workers import UNTOLD


@pytest.mark.timeout(240)
@pytest.mark.parametrize("policy", POLICIES)
async def test_a_worker_killed_at_any_moment_of_an_effect_loses_none_and_doubles_none(the_matrix: Matrix, policy: str):
    points = list(Point)
    runs = await asyncio.gather(*(the_matrix.struck(policy, point, f"{policy}-{point.name}") for point in points))

    assert {run.status for run in runs} <= {-9, UNTOLD}
    assert [run.output for run in runs] == ["acted 1 times; heard 1"] * len(points)
    again = {Point.IN_EFFECT, Point.MADE} if policy == "unheeded" else set()
    assert {run.point: run.done for run in runs} == {point: 2 if point in again else 1 for point in points}
    asked = {Point.CLAIMED, Point.IN_EFFECT, Point.MADE} if policy == "once" else set()
    assert {run.point for run in runs if run.was_asked} == asked

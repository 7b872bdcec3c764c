"""A worker dies with -9 at a boundary between two calls of an agent, and another one goes on.

Some boundaries, side by side; ``bench/agent_kills.py`` tries all of them.
"""

import asyncio

import pytest

from crash.agents.boundaries import ACTS, CALLS, MOMENTS, PROMPT, killed_at
from outlive.testing.faults import Moment

TRIED = [(moment, number) for number in (1, 2, 13, CALLS) for moment in MOMENTS] + [(Moment.RUN_ENDING, 1)]


@pytest.mark.timeout(600)  # a dozen runs, each killed once
async def test_a_worker_killed_at_any_boundary_changes_nothing_and_no_call_goes_out_twice(new_project):
    whole = await new_project("whole")
    whole.start_worker()
    unkilled = await whole.ended(await whole.begin("actor", PROMPT, "whole"))

    async def tried(moment: Moment, number: int):
        return await killed_at(await new_project(f"{moment}-{number}"), moment, number)

    runs = await asyncio.gather(*(tried(*boundary) for boundary in TRIED))

    assert unkilled.output.startswith(f"acted {ACTS} times")
    assert len(runs) == len(TRIED)
    for run in runs:
        run.check(unkilled)

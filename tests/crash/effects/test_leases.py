"""A worker that was given up and is still there must not do what another one has done meanwhile."""

import os
import signal

from crash.effects.matrix import Matrix
from engines import until


async def test_a_worker_that_wakes_up_after_its_lease_does_not_make_the_effect_beside_another_one(the_matrix: Matrix):
    async with the_matrix.project("asleep") as project:
        project.obstacle.touch()
        handle = await project.begin("behind a door", "Act 1 times.", "asleep")
        sleeper = project.start_worker()
        await until(lambda: _attempts(project, handle) == [1], "the effect is being made")
        os.kill(sleeper.pid, signal.SIGSTOP)
        project.start_worker()
        await until(lambda: _attempts(project, handle) == [2], "another worker has taken over")
        done_before = the_matrix.receiver.done["asleep"]
        os.kill(sleeper.pid, signal.SIGCONT)
        project.obstacle.unlink()
        result = await project.ended(handle)

        assert result.output == "acted 1 times; heard 1"
        assert done_before == 0
        assert the_matrix.receiver.asked["asleep"] == 1
        assert (await sleeper.last_words()).count("Traceback") == 0


def _attempts(project, handle) -> list[int]:
    return [entry.attempts for entry in project.effects(handle) if entry.kind == "tool"]

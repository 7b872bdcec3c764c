"""What is killed under a piece of work, when, and how soon it went on."""

import asyncio
import itertools
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from temporalio.api.enums.v1 import PendingActivityState
from temporalio.client import Client

from cluster.children import Child
from cluster.conftest import Parts
from engines import until

HISTORY = "history-1"
QUIET = 40  # looks of 50 ms without a new call, after which work counts as standing still
OUTAGE_SECONDS = 6.0  # … and how long a part is gone at most, where work goes on without it


@dataclass
class Blow:
    """One death in mid-work.

    Attributes:
        what: What dies, for a reader.
        share: How much of the work is done when it does, from 0 to 1.
        strike: Kills it, and starts it again where nobody else does.
        at: When it was killed, and when all was there again, in seconds since the epoch.
    """

    what: str
    share: float
    strike: Callable[[], Awaitable[None]]
    at: tuple[float, float] = (0.0, 0.0)


def blows(parts: Parts, workers: Sequence[Child], temporal: Client, calls_begun: Callable[[], int]) -> list[Blow]:
    """One of each kind, and one worker more; all of it while work is going on."""

    async def worker() -> None:
        victims: list[Child] = []

        async def somebody_works() -> bool:
            busy = await pids_at_work(temporal)
            victims[:] = [one for one in workers if one.is_running and one.pid in busy]
            return bool(victims)

        await until(somebody_works, "a worker has work")
        victim, pid = victims[0], victims[0].pid
        await asyncio.to_thread(victim.kill)
        await until(lambda: victim.pid != pid, "the worker is started again")

    async def history() -> None:
        node = parts.temporal.nodes[HISTORY]
        node.is_held_down = True
        await asyncio.to_thread(node.kill)
        await _stands_still(calls_begun)
        node.is_held_down = False
        await until(lambda: node.is_running, "the node is started again")

    def postgres(how: signal.Signals) -> Callable[[], Awaitable[None]]:
        async def restart() -> None:
            await asyncio.to_thread(parts.postgres.stop, how)
            await asyncio.to_thread(parts.postgres.start)

        return restart

    async def store() -> None:
        await asyncio.to_thread(parts.store.stop)
        await _stands_still(calls_begun)
        await asyncio.to_thread(parts.store.start)

    return [
        Blow("a worker, -9", 0.10, worker),
        Blow("a history node, -9", 0.22, history),
        Blow("PostgreSQL, fast restart", 0.36, postgres(signal.SIGINT)),
        Blow("PostgreSQL, immediate restart", 0.48, postgres(signal.SIGQUIT)),
        Blow("another worker, -9", 0.60, worker),
        Blow("the object store, -9", 0.75, store),  # the last: until it is back, a batch may have ended
    ]


async def strike_all(struck: Sequence[Blow], done: Callable[[], int], total: int) -> None:
    """Strike each blow when its share of the work is done."""
    for blow in struck:
        await until(lambda share=blow.share: done() >= share * total, f"{blow.share:.0%} are done", deadline=600.0)
        began = time.time()
        await blow.strike()
        blow.at = (began, time.time())


async def pids_at_work(temporal: Client) -> set[int]:
    """Processes that have an activity in hand, as the cluster knows: their identity begins with their id."""
    found = set()
    async for run in temporal.list_workflows("ExecutionStatus = 'Running'"):
        described = await temporal.get_workflow_handle(run.id, run_id=run.run_id).describe()
        for pending in described.raw_description.pending_activities:
            if pending.state == PendingActivityState.PENDING_ACTIVITY_STATE_STARTED:
                found.add(int(pending.last_worker_identity.partition("@")[0]))
    return found


def assert_deaths(workers: Sequence[Child]) -> None:
    """Fail where a worker died that was not killed.

    One that was killed may have ended once more: a worker that finds no database when it starts says so and ends, and
    whoever keeps it starts it again.
    """
    assert sum(worker.kills for worker in workers) == 2
    for worker in workers:
        assert worker.kills or not worker.deaths, worker.tail()


def report(struck: Sequence[Blow], answered: Sequence[tuple[float, float]], **figures: object) -> None:
    """Print the figures of a test.

    Args:
        answered: Of each call that was answered when it began, and when its answer was sent.
        figures: Named in the first line.
    """
    sys.stdout.write(", ".join(f"{name.replace('_', ' ')} {value}" for name, value in figures.items()) + "\n")
    next_blows = [*(blow.at[0] for blow in struck[1:]), float("inf")]
    for blow, next_blow in zip(struck, next_blows, strict=True):
        killed, back = blow.at
        later = sorted(ended for begun, ended in answered if begun > killed)
        assert later, f"{blow.what!r} came when nothing was left to do, or nothing went on after it"
        ends = later[:1] + [ended for ended in later[1:] if ended < next_blow]
        pauses = [end - before for before, end in itertools.pairwise([killed, *ends])]
        sys.stdout.write(
            f"{blow.what:30} gone for {back - killed:5.1f} s; first answer to a later call after "
            f"{pauses[0]:5.1f} s; longest pause between two answers {max(pauses):5.1f} s\n"
        )


async def _stands_still(calls_begun: Callable[[], int]) -> None:
    """Wait until no further call has begun for a while; or for longer, where calls go on all the time."""
    seen: list[int] = []
    deadline = time.monotonic() + OUTAGE_SECONDS

    def is_quiet() -> bool:
        seen.append(calls_begun())
        return time.monotonic() > deadline or (len(seen) > QUIET and len(set(seen[-QUIET:])) == 1)

    await until(is_quiet, "work stands still")

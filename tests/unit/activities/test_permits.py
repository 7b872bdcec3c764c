"""Permits: a semaphore whose size may change, first come first served."""

import asyncio

import pytest

from outlive.activities.permits import Permits


class Queue:
    """Tasks that wait for permits, and who got one in which order."""

    def __init__(self, capacity: int) -> None:
        self.permits = Permits(capacity)
        self.served: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def join(self, *numbers: int) -> None:
        for number in numbers:
            self.tasks.append(asyncio.create_task(self._take(number)))
        await self.settle()

    async def release(self, count: int = 1) -> None:
        for _ in range(count):
            self.permits.release()
        await self.settle()

    @staticmethod
    async def settle() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    async def _take(self, number: int) -> None:
        await self.permits.acquire()
        self.served.append(number)


async def test_no_more_permits_are_out_than_there_are():
    queue = Queue(2)
    await queue.join(0, 1, 2, 3)
    assert queue.served == [0, 1]

    await queue.release()
    assert queue.served == [0, 1, 2]


async def test_whoever_came_first_is_served_first():
    queue = Queue(0)
    await queue.join(*range(6))

    queue.permits.resize(6)
    await queue.settle()

    assert queue.served == list(range(6))


async def test_a_newcomer_does_not_pass_those_who_wait():
    queue = Queue(1)
    await queue.join(0, 1)

    queue.permits.release()  # it is 1's now, though 1 has not run yet
    await queue.join(2)

    assert queue.served == [0, 1]


async def test_made_larger_it_serves_at_once():
    queue = Queue(1)
    await queue.join(0, 1, 2, 3)

    queue.permits.resize(3)
    await queue.settle()

    assert queue.served == [0, 1, 2]


async def test_made_smaller_it_serves_nobody_until_enough_have_come_back():
    queue = Queue(3)
    await queue.join(0, 1, 2, 3, 4)

    queue.permits.resize(1)
    await queue.release(2)
    assert queue.served == [0, 1, 2]

    await queue.release()
    assert queue.served == [0, 1, 2, 3]


async def test_one_who_gives_up_waiting_takes_nothing():
    queue = Queue(1)
    await queue.join(0, 1, 2)

    queue.tasks[1].cancel()
    await queue.settle()
    await queue.release()

    assert queue.served == [0, 2]


async def test_one_who_is_cancelled_in_the_moment_of_being_served_passes_it_on():
    queue = Queue(1)
    await queue.join(0, 1, 2)

    queue.permits.release()  # hands it to 1 …
    queue.tasks[1].cancel()  # … who is cancelled before it runs
    await queue.settle()

    assert queue.served == [0, 2]
    with pytest.raises(asyncio.CancelledError):
        await queue.tasks[1]


async def test_all_who_wait_may_give_up_and_the_next_is_served():
    queue = Queue(1)
    await queue.join(0, 1, 2)
    for task in queue.tasks[1:]:
        task.cancel()
    await queue.release()

    await queue.join(3)

    assert queue.served == [0, 3]

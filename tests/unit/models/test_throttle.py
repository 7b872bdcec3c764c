import asyncio

import pytest

from outlive.models.throttle import Throttle


async def fill(throttle: Throttle, count: int) -> list[int]:
    return [await throttle.enter() for _ in range(count)]


async def test_nothing_waits_before_the_first_refusal():
    throttle = Throttle()

    await asyncio.wait_for(fill(throttle, 5_000), 5)

    assert throttle.in_flight == 5_000


async def test_a_refusal_halves_the_window():
    throttle = Throttle()
    epochs = await fill(throttle, 100)

    throttle.refused(epochs[0], 0.01)

    assert throttle.window == 50


async def test_the_refusals_of_one_burst_leave_what_the_provider_let_through():
    throttle = Throttle()
    epochs = await fill(throttle, 100)

    for epoch in epochs[:90]:
        throttle.refused(epoch, 0.01)

    assert throttle.window == 10


async def test_the_window_never_closes_altogether():
    throttle = Throttle()
    for epoch in await fill(throttle, 3):
        throttle.refused(epoch, 0.0)
        throttle.leave()

    assert throttle.window == 1
    await asyncio.wait_for(throttle.enter(), 5)


async def test_nobody_enters_before_the_time_that_the_provider_gave():
    loop = asyncio.get_running_loop()
    throttle = Throttle()
    (epoch,) = await fill(throttle, 1)
    throttle.leave()
    until = loop.time() + throttle.refused(epoch, 0.1)

    await throttle.enter()

    assert loop.time() >= until - 0.001


async def test_a_shorter_wait_never_ends_a_longer_one():
    throttle = Throttle()
    first, second = await fill(throttle, 2)
    throttle.refused(first, 5.0)

    assert throttle.refused(second, 0.1) > 4


async def test_waiting_calls_enter_in_the_order_in_which_they_came():
    throttle = Throttle()
    (epoch,) = await fill(throttle, 1)
    throttle.refused(epoch, 0.01)
    order: list[int] = []

    async def call(number: int) -> None:
        await throttle.enter()
        order.append(number)
        await asyncio.sleep(0)
        throttle.leave()

    calls = [asyncio.create_task(call(number)) for number in range(20)]
    throttle.leave()
    await asyncio.gather(*calls)

    assert order == list(range(20))


async def test_success_lets_the_window_grow_again():
    throttle = Throttle()
    (epoch, *_) = await fill(throttle, 20)
    throttle.refused(epoch, 0.0)
    before = throttle.window

    for _ in range(100):
        throttle.succeeded()

    assert before < throttle.window < before + 100


@pytest.mark.parametrize("cancel_late", [False, True])
async def test_a_cancelled_call_leaves_its_place_to_the_next(cancel_late):
    throttle = Throttle()
    (epoch,) = await fill(throttle, 1)
    throttle.refused(epoch, 0.0)
    lost, next_one = asyncio.create_task(throttle.enter()), asyncio.create_task(throttle.enter())
    await asyncio.sleep(0.01)

    if cancel_late:  # the place is given and the task cancelled before it runs again
        throttle.leave()
        lost.cancel()
    else:
        lost.cancel()
        throttle.leave()

    await asyncio.wait_for(next_one, 5)
    assert throttle.in_flight == 1

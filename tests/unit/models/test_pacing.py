"""Calls of all workers together keep to a limit, one after the other, at few round trips."""

import asyncio
from collections import deque

import pytest

from outlive.contracts.limits import Limit
from outlive.models.pacing import LATE_SECONDS, Pace, Pacer


class Book:
    """A book without a database, on the loop's own clock."""

    def __init__(self) -> None:
        self.free_at = float("-inf")
        self.trips = 0
        self.returned = 0.0
        self.fails = False

    async def take(self, key, units, per_second):
        self.trips += 1
        await asyncio.sleep(0)
        if self.fails:
            raise RuntimeError("no book")
        now = asyncio.get_running_loop().time()
        begins = max(self.free_at, now - 1.0)
        self.free_at = begins + units / per_second
        return begins - now

    async def give_back(self, key, units, per_second):
        self.returned += units
        self.free_at -= units / per_second

    async def hold(self, key, seconds):
        self.free_at = max(self.free_at, asyncio.get_running_loop().time() + seconds)


class Clock(asyncio.SelectorEventLoop):
    """A loop whose time jumps to the next timer instead of waiting for it."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0

    def time(self):
        return self.now

    def _run_once(self):
        if not self._ready and self._scheduled:
            self.now = max(self.now, self._scheduled[0]._when)
        super()._run_once()


def run(coroutine):
    with asyncio.Runner(loop_factory=Clock) as runner:
        return runner.run(coroutine)


async def call_all(paces, count):
    """Let each of several workers make its share of the calls; when each was made."""
    loop, made = asyncio.get_running_loop(), []

    async def call(pace):
        await pace.turn()
        made.append(loop.time())

    await asyncio.gather(*(call(pace) for pace in paces for _ in range(count // len(paces))))
    return sorted(made)


def most_within(made, seconds):
    window, most = deque(), 0
    for at in made:
        window.append(at)
        while window[0] <= at - seconds:
            window.popleft()
        most = max(most, len(window))
    return most


@pytest.mark.parametrize("workers", [1, 4, 40])
def test_no_minute_of_many_workers_has_more_than_a_twentieth_above_the_limit_and_nearly_all_is_used(workers):
    async def scenario():
        book = Book()
        paces = [Pace("requests/m", 600, book) for _ in range(workers)]
        made = await call_all(paces, 1800)
        return made, book

    made, book = run(scenario())

    assert len(made) == 1800
    assert most_within(made, 60) <= 630
    assert made[-1] - made[0] <= 1.05 * 180
    assert book.trips < 900


def test_at_a_high_rate_one_trip_does_for_hundreds_of_calls():
    async def scenario():
        book = Book()
        await call_all([Pace("requests/m", 60_000, book)], 10_000)
        return book.trips

    assert run(scenario()) <= 25


def test_what_was_not_used_for_long_is_not_made_up_for():
    async def scenario():
        pace = Pace("requests/m", 600, Book())
        await pace.turn()
        await asyncio.sleep(600)
        return await call_all([pace], 100)

    made = run(scenario())

    assert most_within(made, 1.0) <= 10 + 10 + 1  # a second's worth, and one of credit


def test_units_whose_time_is_long_past_are_lost():
    async def scenario():
        loop, pace = asyncio.get_running_loop(), Pace("requests/m", 600, Book())
        made = []

        async def call():
            await pace.turn()
            made.append(loop.time())

        calls = [asyncio.ensure_future(call()) for _ in range(60)]
        await asyncio.sleep(0.5)
        loop.now += 30  # the process was stopped
        stopped_until = loop.now
        await asyncio.gather(*calls)
        return [at for at in made if stopped_until <= at < stopped_until + 0.05]

    assert len(run(scenario())) <= (LATE_SECONDS + 1.0) * 10 + 1


def test_what_was_taken_for_calls_that_nobody_wants_any_more_is_given_back():
    async def scenario():
        book = Book()
        pace = Pace("requests/m", 60, book)
        first = asyncio.ensure_future(pace.turn(30))
        second = asyncio.ensure_future(pace.turn(30))
        await first
        await asyncio.sleep(0.1)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)
        await pace.aclose()
        return book

    book = run(scenario())

    assert book.returned == pytest.approx(30)


def test_a_held_model_is_left_alone():
    async def scenario():
        loop, book = asyncio.get_running_loop(), Book()
        paces = [Pace("requests/m", 600, book) for _ in range(2)]
        await call_all(paces, 2)
        began = loop.time()
        await paces[0].hold(20)
        made = await call_all(paces, 2)
        return made[0] - began

    assert run(scenario()) >= 20


def test_whoever_waits_hears_why_there_are_no_units():
    async def scenario():
        book = Book()
        book.fails = True
        await Pace("requests/m", 600, book).turn()

    with pytest.raises(RuntimeError, match="no book"):
        run(scenario())


def test_tokens_are_reckoned_and_then_set_right():
    async def scenario():
        loop = asyncio.get_running_loop()
        pacer = Pacer({"p:m": Limit(tokens_per_minute=60_000)}, Book())
        began = loop.time()
        for _ in range(60):
            reckoned = await pacer.turn("p:m", input_bytes=4_000)
            pacer.came_to("p:m", reckoned, input_tokens=2_000, output_tokens=1_000)
        return loop.time() - began

    assert run(scenario()) == pytest.approx(180, rel=0.05)


def test_models_without_a_limit_pass_and_other_ways_to_a_provider_count_together():
    async def scenario():
        loop, book = asyncio.get_running_loop(), Book()
        pacer = Pacer({"openai:m": Limit(requests_per_minute=60)}, book)
        await pacer.turn("openai:other")
        began = loop.time()
        for name in ("openai:m", "openai-chat:m", "openai-responses:m") * 4:
            await pacer.turn(name)
        return book.trips, loop.time() - began

    trips, seconds = run(scenario())

    assert trips > 0
    assert seconds >= 9


@pytest.mark.parametrize("value", [0, -1, float("inf"), float("nan")])
def test_a_limit_that_is_none_is_refused(value):
    with pytest.raises(ValueError, match="requests_per_minute is"):
        Limit(requests_per_minute=value)

"""Calls no faster than all workers together may make them, at a database round trip for about a second's worth.

Whoever waits here is served in turn. For those that wait, a worker takes units ahead from the book that all workers
share; each unit has its time, and is used then, or a little later. So no moment sees a burst: the units of a minute are
spread over it, whoever uses them.
"""

import asyncio
import math
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from outlive.contracts.limits import ANY_MODEL, Limit

SLICE_SECONDS = 1.0  # that a worker takes ahead at most …
QUEUE_SECONDS = 2.0  # … less, where the units of others reach further ahead than this
LATE_SECONDS = 1.5
"""A unit may be used so long after its time. Later it is lost, or a worker that was stopped would make up for it."""
BYTES_PER_TOKEN = 4.0  # of English text; what a call came to sets it right
FIRST_OUTPUT_TOKENS = 400  # expected of a model that has not answered yet
EPSILON = 1e-9  # units that are none: what adding up fractions leaves
SMOOTHING = 0.1  # weight of the latest answer in what is expected of the next


SAME_PROVIDER = {"openai-chat": "openai", "openai-responses": "openai"}
"""Providers that are other ways to the same one, which counts all calls together."""


class RateBook(Protocol):
    """Where all workers take their units from."""

    async def take(self, key: str, units: float, per_second: float) -> float:
        """Take units; return in how many seconds the first of them may be used."""
        ...

    async def give_back(self, key: str, units: float, per_second: float) -> None:
        """Give back units whose time has not come."""
        ...

    async def hold(self, key: str, seconds: float) -> None:
        """Let no unit come free within these seconds."""
        ...


@dataclass(eq=False)
class _Turn:
    units: float
    given: "asyncio.Future[None]"


@dataclass(eq=False)
class _Slice:
    """Units that are ours, one after the other from a moment of the loop's clock on."""

    at: float
    units: float


class Pace:
    """One measure of one model in one process; belongs to one event loop. First come, first served."""

    def __init__(self, key: str, per_minute: float, book: RateBook) -> None:
        self._key = key
        self._rate = per_minute / 60.0
        self._book = book
        self._waiting: deque[_Turn] = deque()
        self._slices: deque[_Slice] = deque()
        self._debt = 0.0
        self._lead = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._asking: asyncio.Task[None] | None = None
        self._returning: set[asyncio.Task[None]] = set()

    async def turn(self, units: float = 1.0) -> None:
        """Wait until so many units may be used, and use them.

        Raises:
            Exception: What the book raises, where units cannot be had.
        """
        turn = _Turn(units, asyncio.get_running_loop().create_future())
        self._waiting.append(turn)
        self._serve()
        try:
            await turn.given
        finally:
            if turn in self._waiting:
                self._waiting.remove(turn)
                self._serve()

    def correct(self, units: float) -> None:
        """Count units more, or fewer, than a turn took: those that come next pay for it, or profit."""
        self._debt += units

    async def hold(self, seconds: float) -> None:
        """Let nobody have a turn for so long, in any worker that has none ahead."""
        self._slices.clear()
        await self._book.hold(self._key, seconds)

    async def aclose(self) -> None:
        """Give back what is not used."""
        self._give_back()
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        await asyncio.gather(*self._returning, return_exceptions=True)

    def _serve(self) -> None:
        """Give turns whose time has come, and see to it that those to come have units."""
        now = asyncio.get_running_loop().time()
        self._forfeit(now)
        while self._waiting:
            need = max(0.0, self._waiting[0].units + self._debt)
            if self._held < need - EPSILON:
                break
            if (due := self._due(need)) > now:
                self._look_again(due)
                break
            self._debt = 0.0 if need > 0 else self._debt + self._waiting[0].units
            self._use(need)
            turn = self._waiting.popleft()
            if not turn.given.done():
                turn.given.set_result(None)
        if self._waiting:
            self._ask()
        elif self._slices:
            self._give_back()

    @property
    def _held(self) -> float:
        return sum(one.units for one in self._slices)

    def _due(self, units: float) -> float:
        """Return when so many units may be used: once those begin that the last of them is among."""
        due = 0.0
        for one in self._slices:
            if units <= EPSILON:
                break
            due, units = one.at, units - one.units
        return due

    def _use(self, units: float) -> None:
        while units > EPSILON:
            first = self._slices[0]
            used = min(units, first.units)
            first.units -= used
            first.at += used / self._rate
            units -= used
            if first.units <= EPSILON:
                self._slices.popleft()

    def _forfeit(self, now: float) -> None:
        """Lose the units whose time is too long ago."""
        while self._slices and self._slices[0].at < now - LATE_SECONDS:
            first = self._slices[0]
            lost = min(first.units, (now - LATE_SECONDS - first.at) * self._rate)
            self._use(lost)
            if first.units > EPSILON:
                break

    def _look_again(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_at(at, self._serve)

    def _ask(self) -> None:
        """Take units ahead for those that wait, in time for the next not to wait for the book as well."""
        if self._asking is not None:
            return
        wanted = sum(max(0.0, turn.units) for turn in self._waiting) + self._debt
        slice_units = self._rate * SLICE_SECONDS / max(1.0, self._lead / QUEUE_SECONDS)
        missing = min(wanted, max(self._waiting[0].units + self._debt, slice_units)) - self._held
        has_half = self._held > max(self._waiting[0].units, slice_units / 2)
        if missing <= EPSILON or has_half:
            return
        self._asking = asyncio.ensure_future(self._take(math.ceil(missing)))

    async def _take(self, units: float) -> None:
        loop = asyncio.get_running_loop()
        try:
            asked_at = loop.time()
            begins_in = await self._book.take(self._key, units, self._rate)
            answered_at = loop.time()
        except Exception as error:  # noqa: BLE001 - it is whoever waits that is to hear of it
            self._asking = None
            self._refuse(error)
            return
        self._asking = None
        self._lead = begins_in
        at = (asked_at + answered_at) / 2 + begins_in  # the book's clock was read in between
        self._slices.append(_Slice(max(at, answered_at - LATE_SECONDS), units))
        self._serve()

    def _refuse(self, error: Exception) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.given.done():
                turn.given.set_exception(error)

    def _give_back(self) -> None:
        now = asyncio.get_running_loop().time()
        units = sum(one.units for one in self._slices if one.at > now)
        self._slices.clear()
        if units > EPSILON:
            returning = asyncio.ensure_future(self._book.give_back(self._key, units, self._rate))
            self._returning.add(returning)
            returning.add_done_callback(self._returning.discard)


@dataclass(eq=False)
class _Paced:
    requests: Pace | None
    tokens: Pace | None
    expected_output: float = FIRST_OUTPUT_TOKENS


@dataclass
class Pacer:
    """The limits of all models, in one process.

    Args:
        limits: By model name, ``PROVIDER:MODEL``; ``*`` stands for each model that is not named.
        book: Where all workers take from; None where there are no limits.
    """

    limits: Mapping[str, Limit] = field(default_factory=dict)
    book: RateBook | None = None
    _paced: dict[str, _Paced | None] = field(default_factory=dict)

    def is_limited(self, model: str) -> bool:
        """Whether calls of a model wait for their turn."""
        return self._of(model) is not None

    async def turn(self, model: str, *, input_bytes: int = 0) -> float:
        """Wait until a call may be made, and return at how many tokens it was reckoned.

        Args:
            input_bytes: Size of what is sent.
        """
        if (paced := self._of(model)) is None:
            return 0.0
        reckoned = input_bytes / BYTES_PER_TOKEN + paced.expected_output
        if paced.tokens is not None:
            await paced.tokens.turn(reckoned)
        if paced.requests is not None:
            await paced.requests.turn()
        return reckoned

    def came_to(self, model: str, reckoned: float, *, input_tokens: int, output_tokens: int) -> None:
        """Set right what a call was reckoned at."""
        paced = self._of(model)
        if paced is None or paced.tokens is None or not input_tokens + output_tokens:
            return
        paced.tokens.correct(input_tokens + output_tokens - reckoned)
        paced.expected_output += SMOOTHING * (output_tokens - paced.expected_output)

    async def refused(self, model: str, seconds: float) -> None:
        """Let all workers leave a model alone for so long, as its provider asked."""
        if (paced := self._of(model)) is None:
            return
        for pace in (paced.requests, paced.tokens):
            if pace is not None:
                await pace.hold(seconds)

    async def aclose(self) -> None:
        """Give back what is not used."""
        for paced in self._paced.values():
            for pace in (paced.requests, paced.tokens) if paced else ():
                if pace is not None:
                    await pace.aclose()

    def _of(self, model: str) -> _Paced | None:
        if not self.limits:
            return None
        provider, _, name = model.partition(":")
        model = f"{SAME_PROVIDER.get(provider, provider)}:{name}"
        if model not in self._paced:
            self._paced[model] = self._new(model)
        return self._paced[model]

    def _new(self, model: str) -> _Paced | None:
        limit = self.limits.get(model) or self.limits.get(ANY_MODEL)
        if limit is None or self.book is None:
            return None
        requests, tokens = limit.requests_per_minute, limit.tokens_per_minute
        return _Paced(
            requests=Pace(f"requests/{model}", requests, self.book) if requests else None,
            tokens=Pace(f"tokens/{model}", tokens, self.book) if tokens else None,
        )

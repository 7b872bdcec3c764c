"""Following a run: what happens in it, and, beside that, what keeps it from moving."""

import asyncio
import contextlib
import re
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeVar

from temporalio.client import WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.service import RPCError, RPCStatusCode

from outlive.cli.run_view import Clock, RunView
from outlive.contracts.events import EventKind, RunEvent
from outlive.engine.run_health import RunHealth
from outlive.errors import EngineUnavailable, LedgerError, RunError
from outlive.runs import RunHandle

T = TypeVar("T")

LOOK_SECONDS = 1.0
HASTY_LOOK_SECONDS = 0.1  # when the end of the run is about to be known
ANSWER_PATIENCE = 2.5  # seconds; an engine that does not answer is named within 5 s
TROUBLE_SECONDS = 2.0  # what mends itself sooner is not worth a line
STARTING_SECONDS = 15.0  # that engine and workers of our own may take to come up
LAST_WORDS_SECONDS = 2.0  # for events that were written before the end, and are read after it
ENGINE_PATIENCE = 60.0  # seconds that a request waits for an engine to come back
NO_ENGINE = "The engine does not answer; trying again until it does. `outlive doctor` says more."


class Lasting:
    """A trouble, once it has lasted."""

    def __init__(self, patience: float = TROUBLE_SECONDS, *, clock: Clock = time.monotonic) -> None:
        self._patience = patience
        self._clock = clock
        self._kind: str | None = None
        self._since = 0.0
        self._is_told = False

    def see(self, trouble: str | None) -> str | None:
        """Return a trouble that has lasted, once; the same with other numbers in it is the same."""
        kind, now = re.sub(r"\d+", "#", trouble) if trouble else None, self._clock()
        if kind != self._kind:
            self._kind, self._since, self._is_told = kind, now, False
        if trouble is None or self._is_told or now - self._since < self._patience:
            return None
        self._is_told = True
        return trouble

    @property
    def is_told(self) -> bool:
        """Whether the trouble that was seen last was returned."""
        return self._is_told


class Troubles:
    """Says what keeps a run from moving, and that it moves again."""

    def __init__(
        self, view: RunView, *, patience: float = TROUBLE_SECONDS, lost_patience: float = LOOK_SECONDS / 2
    ) -> None:
        self._view = view
        self._lost_patience = lost_patience
        self._problem = Lasting(patience)
        self._outage = Lasting()
        self._lost: dict[str, Lasting] = {}

    def see(self, health: RunHealth | None) -> None:
        """Take note of where a run stands; None where the engine did not answer."""
        was_told = self._problem.is_told or self._outage.is_told
        self._say(self._outage.see(NO_ENGINE if health is None else None))
        if health is None:
            return
        self._say(self._problem.see(health.problem))
        if was_told and not health.problem and not health.is_closed:
            self._view.say("It goes on.", fg="green")
        for waiting in health.waiting:
            lasting = self._lost.setdefault(waiting.name, Lasting(self._lost_patience))
            if waiting.attempt not in self._view.retried:
                self._say(lasting.see(f"Attempt {waiting.attempt} at a call of this run: {waiting.reason}."))
        for question in health.questions:
            self._view.ask(question)

    def _say(self, trouble: str | None) -> None:
        if trouble:
            self._view.say(trouble, fg="yellow")


async def follow(
    handle: RunHandle[Any],
    view: RunView,
    *,
    patience: float = TROUBLE_SECONDS,
    from_: int = 0,
    until: Callable[[RunHealth], bool] = lambda _: False,
    also: Callable[[RunEvent], None] = lambda _: None,
) -> RunHealth:
    """Show a run until it has ended, through restarts of anything; return how it stands then.

    Args:
        patience: Seconds that a problem has to last before it is told.
        from_: Offset of the first event that is shown.
        until: Asked at each look whether to return although it has not ended.
        also: Called with each event, once it is shown.
    """
    reading = asyncio.create_task(show_events(handle, view, from_=from_, also=also))
    troubles = Troubles(view, patience=patience)
    try:
        while True:
            health = await look(handle)
            troubles.see(health)
            view.tick()
            if health is not None and health.is_closed:
                await asyncio.wait({reading}, timeout=LAST_WORDS_SECONDS)
                return health
            if health is not None and until(health):
                return health
            await _next_look(reading, hasty=view.has_ended)
    finally:
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
        view.end_line()


async def _next_look(reading: "asyncio.Task[None]", *, hasty: bool) -> None:
    if hasty or reading.done():
        await asyncio.sleep(HASTY_LOOK_SECONDS if hasty else LOOK_SECONDS)
    else:
        await asyncio.wait({reading}, timeout=LOOK_SECONDS)


async def show_events(handle: RunHandle[Any], view: RunView, *, from_: int, also: Callable[[RunEvent], None]) -> None:
    """Show what happens in a run until it has ended. What cannot be read is said; the run does not depend on it."""
    try:
        async for event in events_of(handle, from_=from_):
            view.see(event)
            also(event)
    except LedgerError as error:
        view.say(f"What happens in the run cannot be shown: {error}", fg="yellow")


async def events_of(handle: RunHandle[Any], *, from_: int = 0) -> AsyncIterator[RunEvent]:
    """Yield what happens in a run until it has ended, also past an engine that is gone for a while."""
    offset = from_
    while True:
        with contextlib.suppress(EngineUnavailable, RPCError):
            async for event in handle.events(from_=offset):
                offset = event.offset + 1
                yield event
                if event.kind == EventKind.RUN_ENDED:
                    return
        health = await look(handle)
        if health is not None and health.is_closed:
            return
        await asyncio.sleep(LOOK_SECONDS)


async def look(handle: RunHandle[Any]) -> RunHealth | None:
    """Return where a run stands; None where the engine does not answer.

    Raises:
        RunError: If there is no such run.
    """
    try:
        async with asyncio.timeout(ANSWER_PATIENCE):
            return await handle.status()
    except (EngineUnavailable, RPCError, TimeoutError):
        return None


async def patiently(request: Callable[[], Awaitable[T]], *, patience: float = ENGINE_PATIENCE) -> T:
    """Return what a request gives, made again while the engine is gone. It must be safe to make twice.

    Raises:
        EngineUnavailable: If the engine does not come back in time.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            return await request()
        except (EngineUnavailable, RPCError, RunError, WorkflowUpdateRPCTimeoutOrCancelledError) as error:
            if isinstance(error, RunError) and not _is_outage(error.__cause__):
                raise
            if time.monotonic() > deadline:
                if isinstance(error, EngineUnavailable):
                    raise
                raise EngineUnavailable(f"The engine does not answer: {error}. `outlive doctor` says more.") from error
        await asyncio.sleep(LOOK_SECONDS / 2)


def _is_outage(cause: BaseException | None) -> bool:
    return isinstance(cause, RPCError) and cause.status is not RPCStatusCode.NOT_FOUND


@contextlib.asynccontextmanager
async def telling_troubles(
    handle: RunHandle[Any], view: RunView, *, patience: float = TROUBLE_SECONDS
) -> AsyncIterator[None]:
    """Say what keeps a run from moving for as long as the block runs: something in it waits for a worker."""

    async def tell() -> None:
        troubles = Troubles(view, patience=patience)
        while True:
            troubles.see(await look(handle))
            await asyncio.sleep(LOOK_SECONDS)

    telling = asyncio.create_task(tell())
    try:
        yield
    finally:
        telling.cancel()
        await asyncio.gather(telling, return_exceptions=True)


@contextlib.contextmanager
def ending_on_signals(tell: Callable[[], None]) -> Iterator[None]:
    """Let Ctrl-C, SIGTERM and SIGHUP cancel the running task, after a word about what that means. No second word."""
    task, loop = asyncio.current_task(), asyncio.get_running_loop()
    assert task is not None
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    told = False

    def end() -> None:
        nonlocal told
        if not told:
            told = True
            tell()
        task.cancel()

    for number in numbers:
        loop.add_signal_handler(number, end)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)

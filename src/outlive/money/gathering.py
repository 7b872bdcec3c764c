"""Many small requests to the ledger, one transaction for all that have come together."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Gathering(Generic[T, R]):
    """Hands what comes while a transaction runs to the next one, in the order in which it came."""

    def __init__(self, work: Callable[[list[T]], Awaitable[Sequence[R]]]) -> None:
        """Take what works on a group, and returns as many results."""
        self._work = work
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._task: asyncio.Task[None] | None = None

    async def do(self, item: T) -> R:
        """Return the result for one item; what the transaction of its group raises is raised to each of them."""
        done: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        return await asyncio.shield(done)

    async def _run(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                await self._work_together(group)
        finally:
            self._task = None

    async def _work_together(self, group: list[tuple[T, "asyncio.Future[R]"]]) -> None:
        try:
            results = await self._work([item for item, _ in group])
        except Exception as error:  # noqa: BLE001 - whoever waits gets it
            for _, done in group:
                done.set_exception(error)
                done.exception()  # a caller that was cancelled does not look
        else:
            for (_, done), result in zip(group, results, strict=True):
                done.set_result(result)

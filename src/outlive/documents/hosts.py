"""How hard one host is pressed: requests in flight, the pause between two, and the pause that it asks for."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass(slots=True)
class _Gate:
    slots: asyncio.Semaphore
    users: int = 0
    free_at: float = 0.0
    """When the next request may begin, on the event loop's clock."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Hosts:
    """Gates, one for each host in use; those of idle hosts are dropped, so that a million hosts cost no memory."""

    def __init__(self, *, connections: int, delay: float) -> None:
        self._connections = max(1, connections)
        self._delay = delay
        self._gates: dict[str, _Gate] = {}
        self._sweep_at = 1000

    @asynccontextmanager
    async def slot(self, host: str) -> AsyncIterator[None]:
        """Wait for this process's turn at a host, and hold it."""
        gate = self._gates.get(host)
        if gate is None:
            self._drop_idle()
            gate = self._gates[host] = _Gate(asyncio.Semaphore(self._connections))
        gate.users += 1
        try:
            async with gate.slots:
                await self._wait(gate)
                yield
        finally:
            gate.users -= 1

    def pause(self, host: str, seconds: float) -> None:
        """Begin no request to a host for a while, because it asked for that."""
        gate = self._gates.get(host)
        if gate is not None:
            gate.free_at = max(gate.free_at, asyncio.get_running_loop().time() + seconds)

    async def _wait(self, gate: _Gate) -> None:
        clock = asyncio.get_running_loop().time
        if not self._delay and gate.free_at <= clock():
            return
        async with gate.turn:
            while (seconds := gate.free_at - clock()) > 0:  # noqa: ASYNC110 - it may have been moved meanwhile
                await asyncio.sleep(seconds)
            gate.free_at = max(gate.free_at, clock() + self._delay)

    def _drop_idle(self) -> None:
        """Drop the gates that nobody holds; looked for rarely, so that each request pays next to nothing."""
        if len(self._gates) < self._sweep_at:
            return
        now = asyncio.get_running_loop().time()
        self._gates = {host: gate for host, gate in self._gates.items() if gate.users or gate.free_at > now}
        self._sweep_at = max(1000, 2 * len(self._gates))

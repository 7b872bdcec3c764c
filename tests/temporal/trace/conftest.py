"""Agents served in this process, as in the tests of agents, and the reader of their traces."""

from collections.abc import Awaitable, Callable

import pytest

from outlive.client import Client
from outlive.trace.model import Trace
from outlive.trace.reading import TraceReader
from temporal.agents.conftest import served, settings

__all__ = ["served", "settings"]

Read = Callable[..., Awaitable[Trace]]


@pytest.fixture
def read() -> Read:
    """Read a trace: ``await read(client, workflow_id)``."""

    async def read_trace(client: Client, workflow_id: str, **options: object) -> Trace:
        temporal = await client.temporal()
        return await TraceReader(temporal, client.settings, ledger=client.ledger).read(workflow_id, **options)

    return read_trace

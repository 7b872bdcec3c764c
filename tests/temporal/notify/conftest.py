"""Apps that are served in this process, and a receiver beside them."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from outlive.settings import Settings
from receivers import SECRET, Receiver, receiving
from temporal.agents.conftest import served
from temporal.agents.conftest import settings as agent_settings

__all__ = ["agent_settings", "served"]


@pytest.fixture
def settings(agent_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings under which this machine may be posted to."""
    monkeypatch.setenv("HOOK", SECRET)
    return replace(agent_settings, allow_private_addresses=True, notify_longest_pause=0.2)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving(Receiver()) as found:
        yield found

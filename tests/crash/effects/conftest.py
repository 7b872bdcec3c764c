from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from crash.agents.projects import world
from crash.effects.matrix import Matrix, matrix


@pytest.fixture
async def the_matrix(engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Matrix]:
    monkeypatch.setenv("TEMPORAL_ADDRESS", engine.state.address)
    async with world(monkeypatch.setenv) as outside, matrix(outside, tmp_path) as found:
        yield found

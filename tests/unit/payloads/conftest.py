"""A store of each kind, and what one has to know of it."""

import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from outlive.payloads.store import ChunkStore, open_store


@pytest.fixture(params=["sqlite", "file", "memory"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return {
        "sqlite": str(tmp_path / "state" / "payloads.db"),
        "file": f"file://{tmp_path}/objects",
        "memory": f"memory:///{uuid.uuid4().hex}",
    }[request.param]


@pytest.fixture
async def store(location: str) -> AsyncIterator[ChunkStore]:
    opened = await open_store(location)
    yield opened
    await opened.aclose()

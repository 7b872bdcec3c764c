from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from command_line import Folder


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Folder]:
    """A folder with an app of agents."""
    made = Folder(tmp_path)
    yield made
    await made.close()

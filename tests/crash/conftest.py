"""What all crash tests may use."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from crash.disks import small_disk_in


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a small disk of its own."""
    with small_disk_in(tmp_path / "disk") as folder:
        yield folder

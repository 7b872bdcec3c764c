"""A batch project whose workers may take long to drain."""

import pytest

from crash.batch.conftest import batch_id, project

__all__ = ["batch_id", "project"]


@pytest.fixture
def drain_timeout() -> float:
    return 20.0

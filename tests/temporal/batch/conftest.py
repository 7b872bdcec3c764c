"""The same project as in the crash tests, on the session's engine."""

from crash.batch.conftest import batch_id, project

__all__ = ["batch_id", "project"]

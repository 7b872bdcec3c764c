"""The same project as in the crash tests, on the session's engine."""

from crash.batch.conftest import batch_id, drain_timeout, project

__all__ = ["batch_id", "drain_timeout", "project"]

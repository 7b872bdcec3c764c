from crash.agents.conftest import new_project, outside
from crash.batch.conftest import batch_id, drain_timeout
from crash.batch.conftest import project as batches

__all__ = ["batch_id", "batches", "drain_timeout", "new_project", "outside"]

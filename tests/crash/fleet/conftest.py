from crash.agents.conftest import new_project, outside
from crash.batch.conftest import batch_id
from crash.batch.conftest import project as batches

__all__ = ["batch_id", "batches", "new_project", "outside"]

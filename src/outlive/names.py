"""Names that live in histories and in other people's code. Renaming one breaks running work."""

DEFAULT_TASK_QUEUE = "outlive"

BATCH_WORKFLOW = "OutliveBatch"
BATCH_WORKFLOW_ID_PREFIX = "batch/"

WORK_WINDOW = "outlive_work_window"
MARK_BATCH = "outlive_mark_batch"
COUNT_MISSING = "outlive_count_missing"

PAUSE_SIGNAL = "pause"
RESUME_SIGNAL = "resume"
SET_WINDOWS_SIGNAL = "set_windows_in_flight"
PAUSE_REASON_QUERY = "pause_reason"

ANALYZE_FUNCTION = "outlive.analyze"
"""The built-in batch function behind ``outlive analyze``."""

OFFLINE_MODEL = "offline:extractive"


def batch_workflow_id(batch_id: str) -> str:
    """Return the workflow id of a batch: what a person reads in Temporal's own Web UI."""
    return f"{BATCH_WORKFLOW_ID_PREFIX}{batch_id}"

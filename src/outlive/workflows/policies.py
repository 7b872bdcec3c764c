"""Every timeout, heartbeat and retry policy: one named value per kind of work, with its reason."""

from datetime import timedelta

from temporalio.common import RetryPolicy

WORKFLOW_TASK_TIMEOUT = timedelta(seconds=5)  # a worker killed in a workflow task is replaced after it (default: 10 s)

WINDOW_TIMEOUT = timedelta(days=7)  # a window's length is its documents'; heartbeats, not this, tell that it is alive
WINDOW_HEARTBEAT_TIMEOUT = timedelta(seconds=8)  # a dead worker's window goes on elsewhere within 10 s
WINDOW_RETRIES = RetryPolicy(
    # unlimited: a window fails only when a worker died or cannot serve it, and both are mended; never slower, since a
    # window that has lost its worker ten times is to go on within 10 s of the eleventh death too
    initial_interval=timedelta(seconds=1),
    maximum_interval=timedelta(seconds=2),
)

LEDGER_TIMEOUT = timedelta(seconds=10)  # counting a million rows takes half a second; a dead worker costs no more
LEDGER_RETRIES = RetryPolicy(initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=10))

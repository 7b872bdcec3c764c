"""Workers as the engine's list has them."""

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.api.enums.v1 import WorkerStatus
from temporalio.api.worker.v1 import WorkerHeartbeat

from outlive.engine.fleet import SILENT_AFTER, _seen

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
RUNNING, STOPPING = WorkerStatus.WORKER_STATUS_RUNNING, WorkerStatus.WORKER_STATUS_SHUTTING_DOWN
LONG_AGO = SILENT_AFTER + timedelta(seconds=1)


@pytest.mark.parametrize(
    ("said", "age", "shown"),
    [
        (RUNNING, timedelta(seconds=5), "running"),
        (STOPPING, timedelta(seconds=5), "stopping"),
        (RUNNING, LONG_AGO, "silent"),
        (STOPPING, LONG_AGO, "stopped"),
        (WorkerStatus.WORKER_STATUS_SHUTDOWN, LONG_AGO, "stopped"),
    ],
)
def test_a_worker_that_said_that_it_stops_is_not_missed_afterwards(said, age, shown):
    heartbeat = WorkerHeartbeat(status=said)
    heartbeat.heartbeat_time.FromDatetime(NOW - age)

    assert _seen(heartbeat, NOW).state == shown

"""How much a worker takes on at a time."""

from typing import Any

from temporalio.worker import PollerBehaviorAutoscaling, ResourceBasedSlotConfig, WorkerTuner

from outlive.settings import Settings

UNLIMITED = 1.0  # a share that is never reached, for the one of two targets that is not set


def slots(settings: Settings) -> dict[str, Any]:
    """Return the arguments of the SDK's worker: fixed slots, or as many as memory and processor allow."""
    found: dict[str, Any] = {}
    if settings.poller_autoscaling:
        found["workflow_task_poller_behavior"] = PollerBehaviorAutoscaling()
        found["activity_task_poller_behavior"] = PollerBehaviorAutoscaling()
    if settings.target_memory or settings.target_cpu:
        found["tuner"] = WorkerTuner.create_resource_based(
            target_memory_usage=settings.target_memory or UNLIMITED,
            target_cpu_usage=settings.target_cpu or UNLIMITED,
            activity_config=ResourceBasedSlotConfig(minimum_slots=1, maximum_slots=settings.activity_slots),
        )
    else:
        found["max_concurrent_activities"] = settings.activity_slots
    return found

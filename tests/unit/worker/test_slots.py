"""How much a worker takes on: fixed slots by default, or as much as memory and processor allow."""

from outlive.settings import Settings
from outlive.worker.slots import slots


def test_slots_are_fixed_unless_a_share_of_the_machine_is_given():
    assert slots(Settings(activity_slots=7)) == {"max_concurrent_activities": 7}


def test_a_share_of_the_machine_tunes_the_slots_and_polls_scale_where_asked():
    found = slots(Settings(target_cpu=0.8, target_memory=0.9, poller_autoscaling=True))

    assert set(found) == {"tuner", "workflow_task_poller_behavior", "activity_task_poller_behavior"}

"""What is told: CloudEvents, and the signatures of Standard Webhooks."""

import json
import time
from datetime import datetime

import pytest
from standardwebhooks.webhooks import Webhook as Official
from standardwebhooks.webhooks import WebhookVerificationError

from outlive.contracts.notifications import Occurrence
from outlive.errors import DeliveryFailed
from outlive.notify.events import LARGEST_RESULT, Event, cloud_event, result_data
from outlive.notify.retrying import FIRST_PAUSE, Schedule
from outlive.notify.signing import secret_keys, signature
from receivers import SECRET

OTHER = "whsec_" + "b" * 32


def event(**values):
    fields = {"workflow_id": "agent/support/1", "occurrence": Occurrence.COMPLETED, "key": "run\0ended", "at": 0.5}
    return Event(**(fields | values))


def test_an_envelope_has_what_cloudevents_asks_for():
    told = json.loads(cloud_event(event(data={"result": {"a": 1}}), app="my app"))

    assert told.pop("id") == event().event_id
    assert datetime.fromisoformat(told["time"]).timestamp() == 0.5
    assert told == {
        "specversion": "1.0",
        "source": "/outlive/my%20app",
        "type": "io.outlive.run.completed",
        "subject": "agent/support/1",
        "time": "1970-01-01T00:00:00.500Z",
        "datacontenttype": "application/json",
        "data": {"workflow_id": "agent/support/1", "state": "completed", "result": {"a": 1}},
    }


@pytest.mark.parametrize(
    ("workflow_id", "kind"), [("batch/b", "batch"), ("plan/p/1", "plan"), ("agent/a/1", "run"), ("mine", "run")]
)
def test_a_type_names_what_has_happened_to_what(workflow_id, kind):
    told = json.loads(cloud_event(event(workflow_id=workflow_id), app="x"))

    assert told["type"] == f"io.outlive.{kind}.completed"


def test_an_id_is_the_same_whenever_the_event_is_recorded_and_another_for_another_event():
    assert event(at=1.0, data={"x": 1}).event_id == event().event_id
    assert len({event().event_id, event(key="other").event_id, event(workflow_id="w").event_id}) == 3


def test_a_result_is_told_where_it_is_small():
    assert result_data({"a": 1}) == {"result": {"a": 1}}
    assert result_data("x" * LARGEST_RESULT) == {"result_left_out": True, "result_bytes": LARGEST_RESULT + 2}


def test_the_official_library_verifies_a_signature_and_refuses_a_changed_body():
    body, moment = b'{"a":1}', int(time.time())
    signed = signature(secret_keys("env:HOOK", {"HOOK": SECRET}), "id-1", moment, body)
    headers = {"webhook-id": "id-1", "webhook-timestamp": str(moment), "webhook-signature": signed}

    assert Official(SECRET).verify(body, headers) == {"a": 1}
    with pytest.raises(WebhookVerificationError):
        Official(SECRET).verify(b'{"a":2}', headers)


def test_while_a_secret_is_replaced_both_verify():
    body, moment = b"{}", int(time.time())
    signed = signature(secret_keys("env:HOOK", {"HOOK": f"{OTHER} {SECRET}"}), "id-1", moment, body)
    headers = {"webhook-id": "id-1", "webhook-timestamp": str(moment), "webhook-signature": signed}

    assert Official(SECRET).verify(body, headers) == {}
    assert Official(OTHER).verify(body, headers) == {}


@pytest.mark.parametrize(("environ", "said"), [({}, "has no HOOK"), ({"HOOK": "whsec_no!base64"}, "HOOK holds no")])
def test_a_secret_that_is_missing_or_broken_is_named_and_not_shown(environ, said):
    with pytest.raises(DeliveryFailed, match=said) as failed:
        secret_keys("env:HOOK", environ)

    assert "no!base64" not in str(failed.value)


def test_pauses_double_up_to_the_longest_and_are_drawn():
    schedule = Schedule(longest=3_600.0)
    drawn = [[schedule.pause(failures) for _ in range(50)] for failures in range(1, 40)]

    for failures, pauses in enumerate(drawn, 1):
        whole = min(FIRST_PAUSE * 2.0 ** (failures - 1), 3_600.0)
        assert whole / 2 <= min(pauses) < max(pauses) <= whole


def test_a_receiver_is_never_asked_earlier_than_it_wants():
    assert Schedule(longest=1.0).pause(1, retry_after=77.0) == 77.0

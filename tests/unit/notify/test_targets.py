"""Who is told: what can be declared, and what is refused."""

import pytest

from outlive.contracts.notifications import Kafka, Occurrence, Webhook, read, target_id, targets_of, wants, written
from outlive.errors import AppError
from receivers import SECRET


@pytest.mark.parametrize(
    "target",
    [
        Webhook("https://a.example/x", secret="env:HOOK", events=["failed", "completed"]),
        Webhook("http://b.example", secret=None),
        Kafka("runs", bootstrap="k:9092", key="all", events=[Occurrence.STARTED]),
    ],
)
def test_a_target_is_read_as_it_was_written(target):
    again = read(written(target))

    assert again == target
    assert target_id(again) == target_id(target)


@pytest.mark.parametrize("secret", [SECRET, "env:", "env:two words", "HOOK", ""])
def test_a_secret_that_is_written_down_is_refused_and_not_repeated(secret):
    with pytest.raises(AppError, match="named, never written") as refused:
        Webhook("https://a.example", secret=secret)

    assert secret == "" or SECRET not in str(refused.value)


@pytest.mark.parametrize("url", ["a.example", "ftp://a.example", "https://", "https://user:hunter2@a.example"])
def test_a_url_that_cannot_be_posted_to_is_refused(url):
    with pytest.raises(AppError) as refused:
        Webhook(url, secret=None)

    assert "hunter2" not in str(refused.value)


def test_an_unknown_event_is_refused_with_those_there_are():
    with pytest.raises(AppError, match=r"'ended'.*completed"):
        Kafka("runs", events=["ended"])


def test_a_target_without_events_wants_all_and_one_with_events_only_these():
    assert all(wants(Kafka("runs"), occurrence) for occurrence in Occurrence)
    assert not wants(Kafka("runs", events=["failed"]), Occurrence.STARTED)
    assert wants(Kafka("runs", events=["failed"]), Occurrence.FAILED)


def test_notify_takes_none_one_or_several():
    one = Kafka("runs")

    assert targets_of(None) == []
    assert targets_of(one) == [one]
    assert targets_of((one, one)) == [one, one]
    with pytest.raises(AppError, match="'str'"):
        targets_of(["https://a.example"])

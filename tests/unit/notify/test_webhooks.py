"""Posting one event: what counts as delivered, and where nothing is posted."""

import socket

import pytest
from standardwebhooks.webhooks import Webhook as Official

from outlive.contracts.notifications import Webhook
from outlive.documents import addresses
from outlive.errors import DeliveryFailed
from outlive.ledger.outbox import Claimed
from outlive.notify.webhooks import WebhookSender
from receivers import SECRET, Receiver, receiving


def delivery(url: str, **options) -> Claimed:
    return Claimed(
        number=1,
        event_id="e1",
        target_id="t",
        workflow_id="w",
        target=Webhook(url, secret=options.get("secret")),
        body='{"a": 1}',
        attempts=0,
        given_up_at=0.0,
    )


async def post(url: str, *, allow_private: bool = True, **options) -> None:
    async with WebhookSender(allow_private=allow_private) as sender:
        one = delivery(url, **options)
        await sender.send(one.target, one)


async def test_an_event_is_posted_with_its_id_and_a_signature_that_the_official_library_verifies(monkeypatch):
    monkeypatch.setenv("HOOK", SECRET)
    async with receiving(Receiver()) as receiver:
        await post(receiver.url, secret="env:HOOK")

    (request,) = receiver.taken
    assert Official(SECRET).verify(request.body, request.headers) == {"a": 1}
    assert request.headers["webhook-id"] == "e1"
    assert request.headers["content-type"] == "application/cloudevents+json; charset=utf-8"


async def test_a_redirect_is_not_followed():
    async with receiving(Receiver()) as elsewhere:
        receiver = Receiver(behaviour=lambda _: 307, headers={"Location": elsewhere.url})
        async with receiving(receiver):
            with pytest.raises(DeliveryFailed, match="redirects are not followed"):
                await post(receiver.url)

    assert elsewhere.asked == 0


@pytest.mark.parametrize(("status", "is_final"), [(410, True), (400, False), (500, False)])
async def test_what_is_no_2xx_has_failed_and_only_410_for_good(status, is_final):
    async with receiving(Receiver(behaviour=lambda _: status)) as receiver:
        with pytest.raises(DeliveryFailed, match=str(status)) as failed:
            await post(receiver.url)

    assert failed.value.is_final is is_final


@pytest.mark.parametrize(("asked", "heeded"), [("7", 7.0), ("900", 900.0), ("99999", 3_600.0), ("soon", None)])
async def test_a_retry_after_is_heard_up_to_an_hour(asked, heeded):
    async with receiving(Receiver(behaviour=lambda _: 429, headers={"Retry-After": asked})) as receiver:
        with pytest.raises(DeliveryFailed) as failed:
            await post(receiver.url)

    assert failed.value.retry_after == heeded


async def test_a_connection_that_is_cut_or_refused_has_failed():
    async with receiving(Receiver(behaviour=lambda _: "cut")) as receiver:
        with pytest.raises(DeliveryFailed):
            await post(receiver.url)
    with pytest.raises(DeliveryFailed, match="No connection"):
        await post(receiver.url)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "169.254.169.254", "10.0.0.1", "[::1]", "0x7f.1"])
async def test_a_private_address_is_refused_before_anything_is_sent(host):
    async with receiving(Receiver()) as receiver:
        with pytest.raises(DeliveryFailed, match=r"not a public address.*OUTLIVE_ALLOW_PRIVATE"):
            await post(f"http://{host}:{receiver.port}/events", allow_private=False)

    assert receiver.asked == 0


async def test_a_name_whose_second_answer_is_private_gains_nothing(monkeypatch):
    async def resolve(*_args, **_options):
        return [{"hostname": "a", "host": "127.0.0.1", "port": receiver.port, "family": socket.AF_INET,
                 "proto": 0, "flags": 0}]  # fmt: skip

    monkeypatch.setattr(addresses.PublicResolver, "resolve", resolve)
    async with receiving(Receiver()) as receiver:
        with pytest.raises(DeliveryFailed, match="not a public address"):
            await post(f"http://public.example:{receiver.port}/events", allow_private=False)

    assert receiver.asked == 0

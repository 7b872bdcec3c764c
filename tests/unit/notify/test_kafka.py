"""Writing one event to Kafka: what a record holds, what producers are made with, and what fails."""

import asyncio
import inspect
import json
import ssl

import pytest
from aiokafka import AIOKafkaProducer

from outlive.contracts.notifications import Kafka, Occurrence
from outlive.errors import DeliveryFailed, SettingError
from outlive.ledger.outbox import Claimed
from outlive.notify import kafka
from outlive.notify.events import Event, cloud_event
from outlive.notify.kafka import KafkaSender, producer_options
from outlive.settings import Settings

EVENT = Event(workflow_id="agent/a/1", occurrence=Occurrence.COMPLETED, key="k", at=1.0, data={"result": 7})
WORD = "not-for-anyone"


class FakeProducer:
    """Stands where aiokafka's producer stands."""

    def __init__(self, brokers: str, *, trouble: list[Exception]) -> None:
        self.brokers, self.trouble = brokers, trouble
        self.written: list[tuple[str, bytes, bytes, dict[str, bytes]]] = []
        self.acknowledgements: list[asyncio.Future] = []
        self.is_silent = False  # acknowledges nothing
        self.is_stopped = False

    async def start(self):
        if self.trouble:
            raise self.trouble.pop()

    async def stop(self):
        self.is_stopped = True
        unwritten = [record for record in self.acknowledgements if not record.done()]
        if unwritten:  # as aiokafka does, however long its brokers are gone
            await asyncio.wait(unwritten)

    async def send(self, topic, value, *, key, headers):
        if self.trouble:
            raise self.trouble.pop()
        self.written.append((topic, value, key, dict(headers)))
        self.acknowledgements.append(asyncio.get_running_loop().create_future())
        if not self.is_silent:
            self.acknowledgements[-1].set_result(None)
        return self.acknowledgements[-1]


class Brokers:
    """Makes producers, and remembers them."""

    def __init__(self, *trouble: Exception) -> None:
        self.trouble = list(trouble)
        self.made: list[FakeProducer] = []

    def produce(self, brokers: str) -> FakeProducer:
        self.made.append(FakeProducer(brokers, trouble=self.trouble))
        return self.made[-1]


def delivery(target: Kafka, event_id: str = EVENT.event_id) -> Claimed:
    return Claimed(
        number=1, event_id=event_id, target_id="t", workflow_id=EVENT.workflow_id, target=target,
        body=cloud_event(EVENT, app="a"), attempts=0, given_up_at=0.0,
    )  # fmt: skip


async def send(brokers: Brokers, *targets: Kafka, **settings: str) -> None:
    async with KafkaSender(Settings(**settings), produce=brokers.produce) as sender:
        for target in targets:
            await sender.send(target, delivery(target))


async def test_a_record_is_a_cloudevent_in_binary_mode_under_the_workflow_id():
    brokers = Brokers()
    await send(brokers, Kafka("runs", bootstrap="k:1"))

    ((topic, value, key, headers),) = brokers.made[0].written
    assert (topic, key, json.loads(value)["result"]) == ("runs", b"agent/a/1", 7)
    assert headers == {
        "ce_specversion": b"1.0",
        "ce_id": EVENT.event_id.encode(),
        "ce_source": b"/outlive/a",
        "ce_type": b"io.outlive.run.completed",
        "ce_subject": b"agent/a/1",
        "ce_time": b"1970-01-01T00:00:01.000Z",
        "content-type": b"application/json",
    }


async def test_one_producer_serves_all_topics_of_its_brokers_and_is_stopped():
    brokers = Brokers()
    await send(brokers, Kafka("a"), Kafka("b", key="all"), Kafka("c", bootstrap="k:2"), kafka_bootstrap="k:1")

    assert [(made.brokers, len(made.written), made.is_stopped) for made in brokers.made] == [
        ("k:1", 2, True),
        ("k:2", 1, True),
    ]
    assert brokers.made[0].written[1][2] == b"all"


async def test_a_broker_that_is_down_is_a_failure_and_is_connected_to_anew():
    brokers = Brokers(ConnectionError("nobody there"))
    target = Kafka("runs", bootstrap="k:1")
    async with KafkaSender(Settings(), produce=brokers.produce) as sender:
        with pytest.raises(DeliveryFailed, match=r"k:1.*nobody there"):
            await sender.send(target, delivery(target))
        await sender.send(target, delivery(target))

    assert [len(made.written) for made in brokers.made] == [0, 1]
    assert brokers.made[0].is_stopped


async def test_a_record_that_is_acknowledged_late_is_not_written_again():
    brokers, target = Brokers(), Kafka("runs", bootstrap="k:1")
    async with KafkaSender(Settings(), produce=brokers.produce) as sender:
        await sender.send(target, delivery(target, "first"))
        (made,) = brokers.made
        made.is_silent = True
        for _ in range(3):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.02):
                    await sender.send(target, delivery(target))
        made.acknowledgements[-1].set_result(None)
        await sender.send(target, delivery(target))

    assert len(made.written) == 2
    assert len(brokers.made) == 1


async def test_an_event_that_a_person_sends_again_is_written_again():
    brokers, target = Brokers(), Kafka("runs", bootstrap="k:1")
    async with KafkaSender(Settings(), produce=brokers.produce) as sender:
        await sender.send(target, delivery(target))
        await sender.send(target, delivery(target))

    assert len(brokers.made[0].written) == 2


async def test_a_producer_that_has_failed_is_stopped_and_another_is_made():
    brokers, target = Brokers(), Kafka("runs", bootstrap="k:1")
    async with KafkaSender(Settings(), produce=brokers.produce) as sender:
        await sender.send(target, delivery(target, "first"))
        brokers.trouble.append(RuntimeError("out of order sequence"))
        with pytest.raises(DeliveryFailed, match="out of order"):
            await sender.send(target, delivery(target))
        await sender.send(target, delivery(target))

    assert [(len(made.written), made.is_stopped) for made in brokers.made] == [(1, True), (1, True)]


async def test_a_worker_stops_though_its_brokers_are_gone(monkeypatch):
    monkeypatch.setattr(kafka, "STOP_SECONDS", 0.05)
    brokers, target = Brokers(), Kafka("runs", bootstrap="k:1")
    async with asyncio.timeout(30), KafkaSender(Settings(), produce=brokers.produce) as sender:
        await sender.send(target, delivery(target, "first"))
        brokers.made[0].is_silent = True
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await sender.send(target, delivery(target))

    assert brokers.made[0].is_stopped


async def test_a_topic_without_brokers_says_what_to_set():
    with pytest.raises(DeliveryFailed, match="OUTLIVE_KAFKA_BOOTSTRAP"):
        await send(Brokers(), Kafka("runs"))


def test_records_are_acknowledged_by_all_and_never_doubled_by_the_producer():
    options = producer_options(Settings(), "a:1, b:2")

    assert options["acks"] == "all"
    assert options["enable_idempotence"] is True
    assert options["bootstrap_servers"] == ["a:1", "b:2"]
    assert set(options) <= set(inspect.signature(AIOKafkaProducer.__init__).parameters)


def test_tls_and_sasl_come_from_the_settings_and_the_password_is_never_shown():
    settings = Settings(
        kafka_security="sasl_ssl", kafka_sasl_mechanism="SCRAM-SHA-512", kafka_username="u", kafka_password=WORD
    )
    options = producer_options(settings, "a:1")

    assert isinstance(options["ssl_context"], ssl.SSLContext)
    assert options["ssl_context"].verify_mode is ssl.CERT_REQUIRED
    assert (options["security_protocol"], options["sasl_mechanism"]) == ("SASL_SSL", "SCRAM-SHA-512")
    assert options["sasl_plain_password"] == WORD
    assert set(options) <= set(inspect.signature(AIOKafkaProducer.__init__).parameters)
    assert WORD not in repr(settings)


def test_a_certificate_that_is_not_there_is_named(tmp_path):
    with pytest.raises(DeliveryFailed, match="OUTLIVE_KAFKA_CA_FILE"):
        producer_options(Settings(kafka_security="ssl", kafka_ca_file=str(tmp_path / "none.pem")), "a:1")


def test_a_security_protocol_that_is_none_is_refused():
    with pytest.raises(SettingError, match="'sasl_ssl'"):
        Settings.load({"OUTLIVE_KAFKA_SECURITY": "tls"})

"""Events on a real Kafka: read back with their ids, in order, and there after the broker's death."""

import asyncio
import json

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from cluster.kafka import Kafka as Broker
from engines import fresh, until
from outlive.contracts.notifications import Kafka, Occurrence
from outlive.errors import DeliveryFailed
from outlive.ledger.outbox import Claimed
from outlive.notify.events import Event, cloud_event
from outlive.notify.kafka import KafkaSender
from outlive.settings import Settings

EVENTS = 50


async def consumed(topic: str, count: int, *, brokers: str) -> list[tuple[str, dict[str, str], bytes]]:
    """Read so many records of a topic from its beginning: key, headers, value."""
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=brokers, auto_offset_reset="earliest", group_id=None)
    await consumer.start()
    found = []
    try:
        while len(found) < count:
            record = await consumer.getone()
            found.append((record.key.decode(), {k: v.decode() for k, v in record.headers}, record.value))
    finally:
        await consumer.stop()
    return found


async def test_events_are_read_back_in_order_with_their_ids(kafka: Broker):
    topic, workflow_id = fresh("outlive-test"), fresh("agent/a")
    target = Kafka(topic, bootstrap=kafka.bootstrap)
    events = [
        Event(workflow_id=workflow_id, occurrence=Occurrence.PROGRESS, key=str(number), at=1.0, data={"n": number})
        for number in range(EVENTS)
    ]
    async with KafkaSender(Settings()) as sender:
        for event in events:
            await sender.send(
                target,
                Claimed(
                    number=1, event_id=event.event_id, target_id="t", workflow_id=workflow_id, target=target,
                    body=cloud_event(event, app="a"), attempts=0, given_up_at=0.0,
                ),
            )  # fmt: skip
    records = await consumed(topic, EVENTS, brokers=kafka.bootstrap)

    assert [headers["ce_id"] for _, headers, _ in records] == [event.event_id for event in events]
    assert {key for key, _, _ in records} == {workflow_id}


async def test_an_event_that_was_taken_is_there_after_the_brokers_death_with_key_and_headers(kafka: Broker):
    topic = fresh("runs")
    async with AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, acks="all") as producer:
        await producer.send_and_wait(topic, b"{}", key=b"run/one", headers=[("ce_id", b"1")])
    kafka.server.kill()
    kafka.start()
    async with AIOKafkaConsumer(
        topic, bootstrap_servers=kafka.bootstrap, group_id=topic, auto_offset_reset="earliest"
    ) as consumer:
        event = await consumer.getone()

    assert (event.key, event.value, event.headers) == (b"run/one", b"{}", (("ce_id", b"1"),))


def delivery(topic: str, number: int, *, brokers: str) -> Claimed:
    event = Event(workflow_id=topic, occurrence=Occurrence.PROGRESS, key=str(number), at=1.0, data={"n": number})
    target = Kafka(topic, bootstrap=brokers)
    return Claimed(
        number=number, event_id=event.event_id, target_id="t", workflow_id=topic, target=target,
        body=cloud_event(event, app="a"), attempts=0, given_up_at=0.0,
    )  # fmt: skip


async def taken(sender: KafkaSender, one: Claimed, *, seconds: float) -> bool:
    """Whether an event is taken within an attempt's time."""
    assert isinstance(one.target, Kafka)
    try:
        async with asyncio.timeout(seconds):
            await sender.send(one.target, one)
    except (DeliveryFailed, TimeoutError):
        return False
    return True


async def test_an_outage_leaves_one_record_of_each_event_however_often_it_was_tried(kafka: Broker):
    topic = fresh("outage")
    async with KafkaSender(Settings()) as sender:
        await until(
            lambda: taken(sender, delivery(topic, 0, brokers=kafka.bootstrap), seconds=15), "the first is taken"
        )
        kafka.server.kill()
        second = delivery(topic, 1, brokers=kafka.bootstrap)
        assert [await taken(sender, second, seconds=0.5) for _ in range(5)] == [False] * 5
        kafka.start()
        await until(lambda: taken(sender, second, seconds=15), "the second is taken")
        await until(
            lambda: taken(sender, delivery(topic, 2, brokers=kafka.bootstrap), seconds=15), "the third is taken"
        )
    async with KafkaSender(Settings()) as another:
        await until(
            lambda: taken(another, delivery(topic, 3, brokers=kafka.bootstrap), seconds=15), "the last is taken"
        )
    records = await consumed(topic, 4, brokers=kafka.bootstrap)

    assert [json.loads(value)["n"] for _, _, value in records] == [0, 1, 2, 3]


async def test_a_worker_stops_though_the_broker_is_gone_with_a_record_on_its_way(kafka: Broker):
    topic = fresh("gone")
    try:
        async with asyncio.timeout(60), KafkaSender(Settings()) as sender:
            first = delivery(topic, 0, brokers=kafka.bootstrap)
            await until(lambda: taken(sender, first, seconds=15), "the first is taken")
            kafka.server.kill()
            assert not await taken(sender, delivery(topic, 1, brokers=kafka.bootstrap), seconds=0.5)
    finally:
        kafka.start()

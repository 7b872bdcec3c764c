"""Events on a real Kafka: read back with their ids, in order, and there after the broker's death."""

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from cluster.kafka import Kafka as Broker
from engines import fresh
from outlive.contracts.notifications import Kafka, Occurrence
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

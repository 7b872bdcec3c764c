"""Events on a real Kafka, where ``OUTLIVE_TEST_KAFKA=host:port`` names one: read back with their ids, in order."""

import pytest
from aiokafka import AIOKafkaConsumer

from conftest import TEST_KAFKA
from engines import fresh
from outlive.contracts.notifications import Kafka, Occurrence
from outlive.ledger.outbox import Claimed
from outlive.notify.events import Event, cloud_event
from outlive.notify.kafka import KafkaSender
from outlive.settings import Settings

BROKERS = TEST_KAFKA
EVENTS = 50


async def consumed(topic: str, count: int, *, brokers: str = BROKERS) -> list[tuple[str, dict[str, str], bytes]]:
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


@pytest.mark.skipif(not BROKERS, reason="OUTLIVE_TEST_KAFKA names no broker")
async def test_events_are_read_back_in_order_with_their_ids():
    topic, workflow_id = fresh("outlive-test"), fresh("agent/a")
    target = Kafka(topic, bootstrap=BROKERS)
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
    records = await consumed(topic, EVENTS)

    assert [headers["ce_id"] for _, headers, _ in records] == [event.event_id for event in events]
    assert {key for key, _, _ in records} == {workflow_id}

"""The broker that events are delivered to in these tests: what it took is there after its death."""

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from cluster.kafka import Kafka
from engines import fresh


async def test_an_event_that_was_taken_is_there_after_the_brokers_death_with_key_and_headers(kafka: Kafka):
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

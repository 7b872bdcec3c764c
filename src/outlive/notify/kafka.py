"""Writing events to Kafka topics: CloudEvents in binary mode, acknowledged by all replicas, idempotent."""

import asyncio
import contextlib
import json
import ssl
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Final, Protocol, Self

from outlive.contracts.notifications import Kafka
from outlive.errors import DeliveryFailed
from outlive.ledger.outbox import Claimed
from outlive.settings import Settings

REQUEST_MS: Final = 10_000
"""For one request to a broker: within an attempt's time there are two."""

STOP_SECONDS: Final = 3.0  # that a producer gets for what it still has, as the worker stops
MOST_REMEMBERED: Final = 1_000  # records that were acknowledged after their attempt had ended
ATTRIBUTES: Final = ("specversion", "id", "source", "type", "subject", "time")


class Producer(Protocol):
    """What is used of ``aiokafka.AIOKafkaProducer``."""

    async def start(self) -> None:
        """Connect."""
        ...

    async def stop(self) -> None:
        """Send what is queued, and disconnect."""
        ...

    async def send(
        self, topic: str, value: bytes, *, key: bytes, headers: list[tuple[str, bytes]]
    ) -> "asyncio.Future[Any]":
        """Queue a record; the future is done once it is acknowledged."""
        ...


class KafkaSender:
    """Writes events, through one producer for each set of brokers.

    An idempotent producer goes on trying to write a record that was not acknowledged in an attempt's time. The next
    attempt waits for that record, so that an outage does not leave one more of it behind for each attempt.

    Args:
        produce: Makes a producer for ``host:port,...``.
    """

    def __init__(self, settings: Settings, *, produce: Callable[[str], Producer] | None = None) -> None:
        self._settings = settings
        self._produce = produce or (lambda brokers: producer(settings, brokers))
        self._producers: dict[str, asyncio.Task[Producer]] = {}
        self._writing: dict[tuple[str, str], asyncio.Future[Any]] = {}
        self._stopping: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for brokers in list(self._producers):
            self._give_up(brokers)
        await asyncio.gather(*self._stopping)

    async def send(self, target: Kafka, delivery: Claimed) -> None:
        """Write an event once, and wait until all replicas have it.

        Raises:
            DeliveryFailed: If they have not acknowledged it, with the reason.
        """
        brokers = target.bootstrap or self._settings.kafka_bootstrap
        if not brokers:
            raise DeliveryFailed(
                f"No broker is named for topic {target.topic!r}. Set OUTLIVE_KAFKA_BOOTSTRAP, or Kafka(bootstrap=...)."
            )
        try:
            found = await self._producer(brokers)
            await asyncio.shield(await self._record(found, target, delivery))
        except DeliveryFailed:
            raise
        except Exception as error:  # aiokafka is optional, so its errors cannot be named here
            self._give_up(brokers)
            raise DeliveryFailed(f"Kafka at {brokers}: {type(error).__name__}: {error}"[:300]) from error
        self._writing.pop((delivery.target_id, delivery.event_id), None)  # asked for again, it is written again

    async def _record(self, found: Producer, target: Kafka, delivery: Claimed) -> "asyncio.Future[Any]":
        """Return the record of an event that is on its way, or was acknowledged after its attempt; or queue it."""
        named = (delivery.target_id, delivery.event_id)
        if named in self._writing:
            return self._writing[named]
        value, headers = binary(delivery.body)
        key = (target.key or delivery.workflow_id).encode()
        record = await found.send(target.topic, value, key=key, headers=headers)
        self._writing[named] = record
        record.add_done_callback(partial(self._ended, named))
        return record

    def _ended(self, named: tuple[str, str], record: "asyncio.Future[Any]") -> None:
        """Remember a record for a while that was acknowledged; forget one that was not, and is written anew."""
        if record.cancelled() or record.exception() is not None:
            self._writing.pop(named, None)
        for done in [known for known, one in self._writing.items() if one.done()][:-MOST_REMEMBERED]:
            del self._writing[done]

    def _give_up(self, brokers: str) -> None:
        """Stop a producer: after an error of its own it may take nothing any more. The next attempt makes another."""
        self._writing = {named: record for named, record in self._writing.items() if record.done()}
        if (starting := self._producers.pop(brokers, None)) is not None:
            stopping = asyncio.create_task(_stopped(starting))
            self._stopping.add(stopping)
            stopping.add_done_callback(self._stopping.discard)

    async def _producer(self, brokers: str) -> Producer:
        """Return the producer for these brokers, connected; one that could not connect is made anew."""
        if brokers not in self._producers:
            self._producers[brokers] = asyncio.create_task(_started(self._produce, brokers))
        return await asyncio.shield(self._producers[brokers])


async def _stopped(starting: "asyncio.Task[Producer]") -> None:
    """Stop a producer, without waiting for brokers that are gone to take what it still has."""
    if not starting.done():
        starting.cancel()
    (made,) = await asyncio.gather(starting, return_exceptions=True)
    if not isinstance(made, BaseException):
        with contextlib.suppress(Exception):
            await asyncio.wait_for(made.stop(), STOP_SECONDS)


def binary(body: str) -> tuple[bytes, list[tuple[str, bytes]]]:
    """Return a CloudEvent in binary mode: its data, and its attributes as ``ce_`` headers."""
    event = json.loads(body)
    headers = [(f"ce_{name}", str(event[name]).encode()) for name in ATTRIBUTES]
    return json.dumps(event["data"]).encode(), [*headers, ("content-type", event["datacontenttype"].encode())]


async def _started(produce: Callable[[str], Producer], brokers: str) -> Producer:
    made = produce(brokers)
    try:
        await made.start()
    except BaseException:
        await made.stop()
        raise
    return made


def producer(settings: Settings, brokers: str) -> Producer:
    """Return a producer of aiokafka; it is not connected.

    Raises:
        DeliveryFailed: If aiokafka is not installed, or a certificate cannot be read.
    """
    try:
        from aiokafka import AIOKafkaProducer
    except ImportError as error:
        raise DeliveryFailed("Kafka needs a package more on the workers: `pip install 'outlive[kafka]'`.") from error
    made: Producer = AIOKafkaProducer(**producer_options(settings, brokers))
    return made


def producer_options(settings: Settings, brokers: str) -> dict[str, Any]:
    """Return what the producer is made with: acknowledged by all, idempotent, TLS and SASL as the settings say.

    Raises:
        DeliveryFailed: If a certificate cannot be read.
    """
    protocol = settings.kafka_security.upper()
    options: dict[str, Any] = {
        "bootstrap_servers": [broker.strip() for broker in brokers.split(",")],
        "acks": "all",
        "enable_idempotence": True,
        "request_timeout_ms": REQUEST_MS,
        "client_id": "outlive",
        "security_protocol": protocol,
    }
    if protocol.endswith("SSL"):
        options["ssl_context"] = _tls(settings)
    if protocol.startswith("SASL"):
        options |= {
            "sasl_mechanism": settings.kafka_sasl_mechanism,
            "sasl_plain_username": settings.kafka_username,
            "sasl_plain_password": settings.kafka_password,
        }
    return options


def _tls(settings: Settings) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=settings.kafka_ca_file or None)
        if settings.kafka_cert_file:
            context.load_cert_chain(settings.kafka_cert_file, settings.kafka_key_file or None)
    except OSError as error:
        raise DeliveryFailed(f"A certificate for Kafka cannot be read: {error}. See OUTLIVE_KAFKA_CA_FILE.") from error
    return context

"""A cluster of real parts, started once for these tests; without Go, Java or a package they are skipped and say why."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from cluster.children import CACHE, Unavailable
from cluster.kafka import Kafka, fetch_jars
from cluster.temporal import TemporalCluster, build_programs
from engines import fresh
from namespaces import new_namespace
from object_store import NoObjectStore, ObjectServer
from outlive.settings import Settings
from postgres import NoServer, PostgresServer

T = TypeVar("T")
RUN = CACHE / "run"
CONNECTIONS = 200  # five Temporal processes with a dozen each, three workers with a pool each, and the tests


@dataclass(frozen=True)
class Parts:
    """What is running, and may be killed."""

    postgres: PostgresServer
    store: ObjectServer
    temporal: TemporalCluster


@pytest.fixture(scope="session")
def run_folder() -> Path:
    """Where the servers keep what they hold and log; emptied at the next run, not at the end of this one."""
    shutil.rmtree(RUN, ignore_errors=True)
    RUN.mkdir(parents=True)
    return RUN


@pytest.fixture(scope="session")
def parts(run_folder: Path) -> Iterator[Parts]:
    """Temporal, PostgreSQL and S3."""
    programs = or_skip(build_programs)
    postgres = or_skip(lambda: PostgresServer(connections=CONNECTIONS))
    store = or_skip(ObjectServer)
    temporal = TemporalCluster(programs, postgres, folder=run_folder / "temporal")
    try:
        postgres.start()
        store.start()
        temporal.start()
        yield Parts(postgres=postgres, store=store, temporal=temporal)
    finally:
        temporal.end()
        store.remove()
        postgres.remove()


@pytest.fixture(scope="session")
def kafka(run_folder: Path) -> Iterator[Kafka]:
    """A broker."""
    broker = Kafka(or_skip(fetch_jars), folder=run_folder / "kafka")
    try:
        broker.start()
        yield broker
    finally:
        broker.end()


@pytest.fixture
def settings(parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A project on the cluster: a namespace, a ledger and a place in the object store of its own."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", parts.temporal.address)
    monkeypatch.setenv("TEMPORAL_NAMESPACE", new_namespace())
    for name, value in parts.store.environment.items():
        monkeypatch.setenv(name, value)
    return Settings(
        home=tmp_path / "caller" / ".outlive",
        task_queue=fresh("queue"),
        ledger=parts.postgres.new_database(),
        payloads=f"s3://payloads/{fresh('project')}",
        drain_timeout=2.0,
    )


def or_skip(make: Callable[[], T]) -> T:
    """Make a server; skip with the reason where it cannot be had."""
    try:
        return make()
    except (Unavailable, NoServer, NoObjectStore) as error:
        pytest.skip(str(error))

"""What every test may use: one engine for the whole session, and a task queue of one's own on it.

    async def test_a_rule(client, task_queue):
        async with Worker(client, task_queue=task_queue, workflows=[...]):
            ...

Tests that kill an engine start their own: `EngineServer(Home(folder), settings_for(folder))`, see `engines.py`. They
are marked ``embedded``: with ``--on-cluster`` the session's engine is the cluster that ``TEMPORAL_*`` names, and they
are left out.
"""

import asyncio
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest
from temporalio.client import Client

from engines import fresh, settings_for
from namespaces import new_namespace
from object_store import NoObjectStore, ObjectServer
from outlive.engine.connection import connect
from outlive.engine.home import EngineState, Home
from outlive.engine.server import EngineServer
from outlive.settings import Settings
from postgres import NoServer, PostgresServer

S = TypeVar("S", PostgresServer, ObjectServer)


@dataclass(frozen=True)
class RunningEngine:
    """An engine that is up, and the settings with which `connect` finds it."""

    settings: Settings
    home: Home
    state: EngineState


collect_ignore = ["cluster"]
"""They build and start a real cluster, for whoever names their folder: `make cluster-test`."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--on-cluster", action="store_true", help="use the Temporal cluster that TEMPORAL_* names, start no engine"
    )


def pytest_configure(config: pytest.Config) -> None:
    """No cluster and no setting of whoever runs the tests: they start what they need, unless they are told where."""
    given = ("OUTLIVE_",) if config.getoption("--on-cluster") else ("OUTLIVE_", "TEMPORAL_")
    for name in [name for name in os.environ if name.startswith(given)]:
        del os.environ[name]
    if config.getoption("--on-cluster"):
        if not os.environ.get("TEMPORAL_ADDRESS"):
            raise pytest.UsageError(
                "--on-cluster needs TEMPORAL_ADDRESS=host:port of a cluster whose namespaces may be made"
            )
        os.environ["TEMPORAL_NAMESPACE"] = new_namespace()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what needs an engine of its own, where there is a cluster instead."""
    if config.getoption("--on-cluster"):
        left_out = [item for item in items if item.get_closest_marker("embedded")]
        items[:] = [item for item in items if item not in set(left_out)]
        config.hook.pytest_deselected(items=left_out)


@pytest.fixture(scope="session")
def engine_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("engine") / ".outlive"


@pytest.fixture(scope="session")
def engine(engine_home: Path, pytestconfig: pytest.Config) -> Iterator[RunningEngine]:
    """The session's engine, kept by an event loop of its own: the loops of tests come and go."""
    if pytestconfig.getoption("--on-cluster"):
        yield cluster_as_engine(os.environ["TEMPORAL_ADDRESS"], engine_home)
        return
    settings, home = settings_for(engine_home), Home(engine_home)
    began: asyncio.Future = asyncio.Future(loop=(loop := asyncio.new_event_loop()))
    stop_asked = asyncio.Event()

    async def keep() -> None:
        try:
            async with home.own(), EngineServer(home, settings) as server:
                began.set_result(server.state)
                await stop_asked.wait()
        except BaseException as error:
            if began.done():
                raise
            began.set_exception(error)

    thread = threading.Thread(target=lambda: loop.run_until_complete(keep()), name="engine")
    thread.start()
    state = asyncio.run_coroutine_threadsafe(_value(began), loop).result()
    yield RunningEngine(settings=settings, home=home, state=state)
    loop.call_soon_threadsafe(stop_asked.set)
    thread.join()
    loop.close()


def cluster_as_engine(address: str, home: Path) -> RunningEngine:
    """What tests know of an engine that somebody else runs: its address."""
    unknown = {"ui_address": "", "http_address": "", "metrics_address": "", "server_version": "", "cli_version": ""}
    state = EngineState(address=address, engine_pid=0, owner_pid=0, **unknown)
    return RunningEngine(settings=Settings(home=home), home=Home(home), state=state)


@pytest.fixture(scope="session")
def shared_postgres() -> Iterator[PostgresServer]:
    """The session's PostgreSQL server; tests that stop one start their own."""
    server = postgres_or_skip()
    yield server
    server.remove()


@pytest.fixture
def own_postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server of this test alone, to be stopped."""
    server = postgres_or_skip()
    yield server
    server.remove()


@pytest.fixture
def postgres_url(shared_postgres: PostgresServer) -> str:
    """The address of an empty database."""
    return shared_postgres.new_database()


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    """Where a ledger is to be: what holds of one database holds of the other."""
    return tmp_path / "state" / "ledger.db" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


def postgres_or_skip() -> PostgresServer:
    """Start a server; skip the test, with the reason, where none can be had."""
    return _started_or_skip(PostgresServer, NoServer, "PostgreSQL")


def _started_or_skip(make: Callable[[], S], missing: type[Exception], what: str) -> S:
    try:
        server = make()
    except missing as error:
        pytest.skip(f"no {what} here: {error}")
    try:
        server.start()
    except missing as error:
        server.remove()
        pytest.skip(f"no {what} here: {error}")
    return server


@pytest.fixture(scope="session")
def shared_objects() -> Iterator[ObjectServer]:
    """The session's S3 server; tests that stop one start their own."""
    server = objects_or_skip()
    yield server
    server.remove()


@pytest.fixture
def bucket(shared_objects: ObjectServer, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of an empty bucket of the S3 server that this process's environment names."""
    for name, value in shared_objects.environment.items():
        monkeypatch.setenv(name, value)
    name = fresh("bucket")
    shared_objects.make_bucket(name)
    return name


def objects_or_skip() -> ObjectServer:
    """Start an S3 server; skip the test, with the reason, where none can be had."""
    return _started_or_skip(ObjectServer, NoObjectStore, "S3 server")


@pytest.fixture
async def client(engine: RunningEngine) -> Client:
    """A client of the session's engine."""
    return await connect(engine.settings)


@pytest.fixture
def task_queue() -> str:
    """A task queue that no other test uses."""
    return fresh("queue")


async def _value(future: asyncio.Future) -> EngineState:
    return await future

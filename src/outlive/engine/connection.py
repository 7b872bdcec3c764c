"""The connection to Temporal: a configured cluster, or the engine that this project's owner runs."""

import asyncio
import atexit
import functools
import logging
import threading
import time
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

from google.protobuf.duration_pb2 import Duration
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, UpdateNamespaceRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.converter import DataConverter, DefaultFailureConverter
from temporalio.converter import DefaultFailureConverterWithEncodedAttributes as _EncodedFailures
from temporalio.envconfig import ClientConfigProfile, ClientConnectConfig
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig, TelemetryFilter
from temporalio.service import RPCError, RPCStatusCode

from outlive.encryption.keyring import keyring_of
from outlive.engine.codec import OutliveCodec
from outlive.engine.converter import converter_for, notice_pydantic_ai
from outlive.engine.home import Home
from outlive.engine.metrics import chosen_metrics
from outlive.errors import EngineUnavailable, SettingError
from outlive.payloads.vault import vault_of
from outlive.settings import Settings, process_environment

T = TypeVar("T")

NAMESPACE = "default"
CORE_LOGGER = "outlive.temporal_core"
CONNECT_PATIENCE = timedelta(seconds=15)  # an engine that died is back within 2 s, its owner says so by living
OUTAGE_PATIENCE = timedelta(minutes=10)
RETRY_PAUSE = 0.25  # seconds
LETTING_GO_SECONDS = 0.05
ANSWER_TIMEOUT = 5.0  # seconds
WORKER_HEARTBEAT = timedelta(seconds=5)  # `outlive workers` is to know; one call of 1 KB each, for a whole process

_OUTAGE = frozenset(
    # UNKNOWN is what a call in flight gets when its connection breaks ("transport error").
    {RPCStatusCode.UNAVAILABLE, RPCStatusCode.UNKNOWN, RPCStatusCode.CANCELLED, RPCStatusCode.DEADLINE_EXCEEDED}
)


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A Temporal cluster that the environment or a profile names.

    Attributes:
        arguments: For ``Client.connect``.
    """

    address: str
    namespace: str
    arguments: ClientConnectConfig = field(repr=False)  # an API key, and that of a certificate


def configured_cluster() -> bool:
    """Return whether a cluster is configured, so that no engine of ours is to be started.

    Raises:
        SettingError: As ``read_cluster``.
    """
    return read_cluster() is not None


def read_cluster() -> Cluster | None:
    """Return the cluster that ``TEMPORAL_*`` or a profile in ``temporal.toml`` names; None where none does.

    Raises:
        SettingError: For a profile that is missing, unreadable or has no address.
    """
    profile_name = process_environment().get("TEMPORAL_PROFILE")
    try:
        profile = ClientConfigProfile.load()
        arguments = profile.to_client_connect_config()
    except (RuntimeError, OSError, ValueError) as error:
        found = str(error).partition("\n")[0]  # what follows quotes the file, and may quote an API key
        raise SettingError(
            f"Temporal's configuration cannot be read: {found}. Mend TEMPORAL_* or temporal.toml."
        ) from None
    if not profile.address:
        if profile_name:
            raise SettingError(f"The profile {profile_name!r} names no address. Add one, or unset TEMPORAL_PROFILE.")
        return None
    return Cluster(address=profile.address, namespace=profile.namespace or NAMESPACE, arguments=arguments)


async def connect(settings: Settings, *, lazy: bool = False) -> Client:
    """Connect to the configured cluster, or else to the engine that this project's owner runs. Starts nothing.

    Args:
        lazy: Return at once and connect at the first call. The address must be known all the same.

    Raises:
        EngineUnavailable: Where nothing is configured and nobody runs an engine, or it does not answer.
        SettingError: Where the configuration names a cluster in a way that cannot be read.
    """
    if cluster := read_cluster():
        return await _connect_cluster(cluster, settings, lazy=lazy)
    home = Home(settings.home)
    deadline = time.monotonic() + CONNECT_PATIENCE.total_seconds()
    while home.is_owned():  # it may be starting just now, or be back in a moment
        state, why = home.read_state(), "has not recorded an engine"
        if state is not None:
            try:
                return await _connect_engine(state.address, settings, lazy=lazy)
            except RuntimeError:
                why = f"has an engine at {state.address!r} that does not answer"
        if time.monotonic() > deadline:
            owner = home.owner()
            who = f"process {owner.pid}" if owner else "a process"
            raise EngineUnavailable(
                f"The state folder {str(home.path)!r} is owned by {who}, which {why}. "
                f"Look into {str(home.logs / 'engine.log')!r}, or stop and start `outlive up`."
            )
        await asyncio.sleep(RETRY_PAUSE)
    raise EngineUnavailable(
        f"No engine runs for {str(home.path)!r}. Start one there with `outlive up`, "
        "or set TEMPORAL_ADDRESS to a running cluster."
    )


def has_moved(client: Client, settings: Settings) -> bool:
    """Return whether the project's engine has another owner by now, and another address than the client's."""
    if configured_cluster():
        return False
    state = Home(settings.home).live_state()
    return state is not None and state.address != client.service_client.config.target_host


async def _connect_engine(address: str, settings: Settings, *, lazy: bool) -> Client:
    return await Client.connect(
        address, namespace=NAMESPACE, runtime=core_runtime(), data_converter=data_converter(settings), lazy=lazy
    )


async def _connect_cluster(cluster: Cluster, settings: Settings, *, lazy: bool) -> Client:
    arguments = cluster.arguments
    try:
        return await Client.connect(
            cluster.address,
            namespace=cluster.namespace,
            api_key=arguments.get("api_key"),
            tls=arguments.get("tls"),
            rpc_metadata=arguments.get("rpc_metadata", {}),
            runtime=core_runtime(),
            data_converter=data_converter(settings),
            lazy=lazy,
        )
    except (RuntimeError, RPCError) as error:
        raise EngineUnavailable(
            f"No Temporal cluster answered at {cluster.address!r}: {error}. "
            "Check TEMPORAL_ADDRESS, the profile and its credentials; unset them to use an engine of this project."
        ) from error


@functools.cache
def core_runtime() -> Runtime:
    """Return Temporal's Rust core for this process, made once.

    Left alone, the core prints its warnings to standard output, into the results of a command. Here they go to the
    Python logger ``outlive.temporal_core``, for whoever configures it. Retried calls are left out: 150 lines in
    twenty outages, about something that the supervisor reports once.

    Its threads let go of a call's objects a moment after they have handed over the result; if Python is gone by then,
    the process aborts: one of five did that ended right after a call. So Python waits a moment at its end.
    """
    logger = logging.getLogger(CORE_LOGGER)
    logger.addHandler(logging.NullHandler())
    quiet = TelemetryFilter(core_level="WARN", other_level="ERROR").formatted() + ",temporalio_client::retry=off"
    forwarding = LogForwardingConfig(logger=logger)
    logs = LoggingConfig(filter=quiet, forwarding=forwarding)
    atexit.register(threading.Event().wait, LETTING_GO_SECONDS)
    return Runtime(
        telemetry=TelemetryConfig(logging=logs, metrics=chosen_metrics()), worker_heartbeat_interval=WORKER_HEARTBEAT
    )


def data_converter(settings: Settings) -> DataConverter:
    """Return how values become payloads: the same for every client, worker and replayer of a project.

    Reads and writes what the default converter does, and Pydantic models, dates and unions besides. What is large goes
    into the project's payload store instead of a history; the store is opened when it is first needed.
    Where the project has keys all of it is encrypted, and messages and stack traces of failures besides.
    """
    keys = keyring_of(settings)
    converter = converter_for(vault_of(settings))
    notice_pydantic_ai()
    return DataConverter(
        payload_converter_class=converter,
        payload_codec=OutliveCodec(converter, keys=keys),
        failure_converter_class=DefaultFailureConverter if keys is None else _EncodedFailures,
    )


async def result_of(handle: WorkflowHandle[Any, T], *, patience: timedelta = OUTAGE_PATIENCE) -> T:
    """Return a run's result, waiting through restarts of the engine: ``handle.result()`` raises at each.

    Args:
        patience: Longest outage without a single answer that is waited through.

    Raises:
        EngineUnavailable: When the outage lasts longer.
        temporalio.client.WorkflowFailureError: When the run failed.
    """
    last_answer = time.monotonic()
    while True:
        try:
            return await handle.result()
        except RPCError as error:
            if error.status not in _OUTAGE:
                raise
            if time.monotonic() - last_answer > patience.total_seconds():
                raise EngineUnavailable(
                    f"The result of {handle.id!r} could not be asked for: {error}. The run is not lost; "
                    "see with `outlive doctor` why the engine does not answer."
                ) from error
        await asyncio.sleep(RETRY_PAUSE)
        if await _still_answers(handle):
            last_answer = time.monotonic()


async def _still_answers(handle: WorkflowHandle[Any, Any]) -> bool:
    try:
        await handle.describe(rpc_timeout=timedelta(seconds=ANSWER_TIMEOUT))
    except RPCError as error:
        return error.status not in _OUTAGE
    return True


async def answers(address: str) -> bool:
    """Return whether a Temporal server answers at ``host:port`` now."""
    host, _, port = address.rpartition(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except OSError:
        return False
    writer.close()
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            await Client.connect(address, runtime=core_runtime())
    except (RuntimeError, RPCError, TimeoutError):
        return False
    return True


async def answers_to_host(address: str, host: str) -> bool:
    """Return whether the HTTP API at ``host:port`` answers to a host name: to any but its own it says 403."""
    name, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(ANSWER_TIMEOUT):
            reader, writer = await asyncio.open_connection(name, int(port))
            try:
                writer.write(f"GET /api/v1/system-info HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                return b" 200 " in await reader.readline()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def read_retention(client: Client) -> timedelta:
    """Return how long the client's namespace keeps finished runs."""
    answer = await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=client.namespace))
    return answer.config.workflow_execution_retention_ttl.ToTimedelta()


async def set_retention(address: str, retention: timedelta) -> None:
    """Let the engine at an address keep finished runs for so long: its own default is 24 hours.

    Raises:
        EngineUnavailable: Where it does not answer within some seconds.
    """
    client = await Client.connect(address, namespace=NAMESPACE, runtime=core_runtime())
    deadline = time.monotonic() + CONNECT_PATIENCE.total_seconds()
    while True:
        try:
            if await read_retention(client) != retention:
                config = NamespaceConfig(
                    workflow_execution_retention_ttl=Duration(seconds=int(retention.total_seconds()))
                )
                request = UpdateNamespaceRequest(namespace=NAMESPACE, config=config)
                await client.workflow_service.update_namespace(request)
        except RPCError as error:
            if time.monotonic() > deadline:
                raise EngineUnavailable(f"The engine at {address!r} does not take its retention: {error}.") from error
        else:
            return
        await asyncio.sleep(RETRY_PAUSE)

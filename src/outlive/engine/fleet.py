"""The workers of a cluster and the versions of an app's code that they serve, as Temporal knows them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.deployment.v1 import WorkerDeploymentInfo
from temporalio.api.enums.v1 import WorkerDeploymentVersionStatus, WorkerStatus
from temporalio.api.worker.v1 import WorkerHeartbeat
from temporalio.api.workflowservice.v1 import (
    DescribeWorkerDeploymentRequest,
    ListWorkersRequest,
    SetWorkerDeploymentCurrentVersionRequest,
)
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from outlive.engine.connection import WORKER_HEARTBEAT
from outlive.errors import DeploymentError

RPC_TIMEOUT = timedelta(seconds=10)  # promoting tells each task queue in turn
SILENT_AFTER = 3 * WORKER_HEARTBEAT  # of no heartbeat, after which a worker is taken for gone


class VersionState(StrEnum):
    """Where a version of an app's code stands.

    Attributes:
        NEW: Workers poll with it; nothing new goes to it yet.
        CURRENT: New runs begin on it.
        DRAINING: Runs that began on it are still open.
        DRAINED: No run needs it any more: its workers may go.
    """

    NEW = "new"
    CURRENT = "current"
    RAMPING = "ramping"
    DRAINING = "draining"
    DRAINED = "drained"


_STATES = {
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_CURRENT: VersionState.CURRENT,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_RAMPING: VersionState.RAMPING,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINING: VersionState.DRAINING,
    WorkerDeploymentVersionStatus.WORKER_DEPLOYMENT_VERSION_STATUS_DRAINED: VersionState.DRAINED,
}


@dataclass(frozen=True, kw_only=True)
class Version:
    """One version of an app's code.

    Attributes:
        build: Its build id.
        was_current: When it last was the current one; None where it never was.
    """

    build: str
    state: VersionState
    created_at: datetime | None = None
    was_current: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The versions of one app.

    Attributes:
        current: Build id of the current version; None where none is, and unversioned workers get all new work.
        versions: The latest first.
    """

    name: str
    current: str | None
    versions: tuple[Version, ...] = field(default=())

    def version(self, build: str) -> Version | None:
        """Return a version by its build id."""
        return next((version for version in self.versions if version.build == build), None)

    @property
    def previous(self) -> Version | None:
        """The version that was current before the current one."""
        earlier = [v for v in self.versions if v.build != self.current and v.was_current is not None]
        return max(earlier, key=lambda v: v.was_current or datetime.min.replace(tzinfo=UTC), default=None)


async def read_deployment(client: Client, name: str) -> Deployment | None:
    """Return the versions of an app; None where no versioned worker of it has polled yet."""
    request = DescribeWorkerDeploymentRequest(namespace=client.namespace, deployment_name=name)
    try:
        answer = await client.workflow_service.describe_worker_deployment(request, retry=True, timeout=RPC_TIMEOUT)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise
    info = answer.worker_deployment_info
    current = info.routing_config.current_deployment_version.build_id or None
    versions = sorted((_version(summary) for summary in info.version_summaries), key=_age, reverse=True)
    return Deployment(name=name, current=current, versions=tuple(versions))


async def promote(client: Client, name: str, build: str, *, force: bool = False) -> str | None:
    """Let new runs begin on a version; return the build id that was current before.

    Args:
        force: Also where it serves fewer task queues than the current one, or no worker polls with it.

    Raises:
        DeploymentError: If there is no such version, or the cluster refuses.
    """
    deployment = await read_deployment(client, name)
    if deployment is None or deployment.version(build) is None:
        known = ", ".join(v.build for v in deployment.versions) if deployment else "none"
        raise DeploymentError(
            f"App {name!r} has no version {build!r}; known: {known}. A version is known once a worker of it polls: "
            "start one with OUTLIVE_VERSIONING=true."
        )
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace,
        deployment_name=name,
        build_id=build,
        identity=client.identity,
        ignore_missing_task_queues=force,
        allow_no_pollers=force,
    )
    try:
        answer = await client.workflow_service.set_worker_deployment_current_version(request, timeout=RPC_TIMEOUT)
    except RPCError as error:
        raise DeploymentError(
            f"Version {build!r} of {name!r} cannot become current: {error.message}. "
            "Start workers of it first, or use --force."
        ) from error
    return answer.previous_deployment_version.build_id or None


@dataclass(frozen=True, kw_only=True)
class SeenWorker:
    """A worker as it last said of itself.

    Attributes:
        state: ``running``, ``stopping``, ``stopped``, or ``silent`` where one that ran has said nothing for long.
        build: Of its version; empty for one without.
        used_slots: Activities in its hands.
        free_slots: Activities that it would take besides.
    """

    identity: str
    host: str
    pid: str
    task_queue: str
    state: str
    app: str = ""
    build: str = ""
    heard_at: datetime | None = None
    used_slots: int = 0
    free_slots: int = 0


_WORKER_STATES = {
    WorkerStatus.WORKER_STATUS_RUNNING: "running",
    WorkerStatus.WORKER_STATUS_SHUTTING_DOWN: "stopping",
    WorkerStatus.WORKER_STATUS_SHUTDOWN: "stopped",
}


async def list_workers(client: Client, *, now: datetime | None = None) -> AsyncIterator[SeenWorker]:
    """Yield the workers of the client's namespace that have told of themselves lately.

    Raises:
        RPCError: If the cluster does not answer, or keeps no such list.
    """
    token = b""
    while True:
        request = ListWorkersRequest(namespace=client.namespace, page_size=100, next_page_token=token)
        answer = await client.workflow_service.list_workers(request, retry=True, timeout=RPC_TIMEOUT)
        for info in answer.workers_info:
            yield _seen(info.worker_heartbeat, now or datetime.now(tz=UTC))
        token = answer.next_page_token
        if not token:
            return


async def known_workers(client: Client) -> list[SeenWorker] | None:
    """Return the workers that have told of themselves lately; None where the cluster keeps no such list.

    Raises:
        RPCError: If the cluster does not answer.
    """
    try:
        return [worker async for worker in list_workers(client)]
    except RPCError as error:
        if error.status in {RPCStatusCode.UNIMPLEMENTED, RPCStatusCode.PERMISSION_DENIED}:
            return None
        raise


def _seen(heartbeat: WorkerHeartbeat, now: datetime) -> SeenWorker:
    heard_at = _moment(heartbeat.heartbeat_time)
    state = _WORKER_STATES.get(heartbeat.status, "running")
    if heard_at is not None and now - heard_at > SILENT_AFTER:
        state = "silent" if state == "running" else "stopped"  # of its end itself a worker does not always tell
    versioned = heartbeat.deployment_version
    return SeenWorker(
        identity=heartbeat.worker_identity,
        host=heartbeat.host_info.host_name,
        pid=heartbeat.host_info.process_id,
        task_queue=heartbeat.task_queue,
        state=state,
        app=versioned.deployment_name,
        build=versioned.build_id,
        heard_at=heard_at,
        used_slots=heartbeat.activity_task_slots_info.current_used_slots,
        free_slots=heartbeat.activity_task_slots_info.current_available_slots,
    )


def _version(summary: WorkerDeploymentInfo.WorkerDeploymentVersionSummary) -> Version:
    return Version(
        build=summary.deployment_version.build_id,
        state=_STATES.get(summary.status, VersionState.NEW),
        created_at=_moment(summary.create_time),
        was_current=_moment(summary.last_current_time) or _moment(summary.current_since_time),
    )


def _age(version: Version) -> datetime:
    return version.created_at or datetime.min.replace(tzinfo=UTC)


def _moment(timestamp: Timestamp) -> datetime | None:
    return timestamp.ToDatetime(tzinfo=UTC) if timestamp.seconds else None

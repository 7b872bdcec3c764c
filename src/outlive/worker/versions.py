"""The version of its app's code that a worker serves, and what it sees to: being current, and going when drained."""

import asyncio
import hashlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path

from temporalio.client import Client
from temporalio.common import VersioningBehavior, WorkerDeploymentVersion
from temporalio.service import RPCError
from temporalio.worker import WorkerDeploymentConfig

from outlive.engine.fleet import VersionState, promote, read_deployment
from outlive.errors import DeploymentError
from outlive.registry import Registry
from outlive.settings import Settings
from outlive.worker.sources import app_sources

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0  # until the cluster knows the version: it does when the first poll arrives
DRAINED_LOOK_SECONDS = 15.0  # the cluster itself looks every few minutes
_UNVERSIONED = WorkerDeploymentVersion(deployment_name="outlive", build_id=version("outlive"))
"""Left to itself, the SDK hashes the code of every loaded module for a name: 3 s of CPU at each start."""


def build_of(reference: str | None, settings: Settings) -> str:
    """Return the build id: as set, or a digest of the app's files in this folder and of Outlive's version."""
    if settings.build:
        return settings.build
    digest = hashlib.sha256(version("outlive").encode())
    folder = Path.cwd()
    for path in sorted(app_sources(reference or "", folder)):
        digest.update(f"\0{path.relative_to(folder)}\0".encode() + path.read_bytes())
    return digest.hexdigest()[:12]


def deployment_config(registry: Registry, build: str) -> WorkerDeploymentConfig:
    """Return what the SDK is told; an empty build is a worker without a version."""
    if not build:
        return WorkerDeploymentConfig(version=_UNVERSIONED, use_worker_versioning=False)
    behaviors = {"pinned": VersioningBehavior.PINNED, "auto_upgrade": VersioningBehavior.AUTO_UPGRADE}
    return WorkerDeploymentConfig(
        version=WorkerDeploymentVersion(deployment_name=registry.app, build_id=build),
        use_worker_versioning=True,
        default_versioning_behavior=behaviors[registry.versioning],
    )


@asynccontextmanager
async def keeping_version(
    client: Client, app: str, build: str, settings: Settings, stop: asyncio.Event
) -> AsyncIterator[None]:
    """See to a worker's version while it serves; nothing for a worker without one.

    The first version of an app becomes current: until one is, the cluster gives nothing out, in silence.
    """
    if not build:
        yield
        return
    keeping = asyncio.create_task(_keep(client, app, build, settings, stop))
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def _keep(client: Client, app: str, build: str, settings: Settings, stop: asyncio.Event) -> None:
    while not await _is_settled(client, app, build, is_to_be_current=settings.promote):  # noqa: ASYNC110 - elsewhere
        await asyncio.sleep(LOOK_SECONDS)
    while settings.exit_when_drained:
        if await _is_drained(client, app, build):
            logger.info("No run needs this version any more; the worker ends", extra={"build": build})
            stop.set()
            return
        await asyncio.sleep(DRAINED_LOOK_SECONDS)


async def _is_settled(client: Client, app: str, build: str, *, is_to_be_current: bool) -> bool:
    """Whether it is known which version is current; make this one so where it is to be."""
    try:
        found = await read_deployment(client, app)
        if found is None or found.version(build) is None:
            return False
        if found.current == build:
            return True
        if found.current is None or is_to_be_current:
            before = await promote(client, app, build)
            logger.info("This version became current", extra={"build": build, "before": before})
        else:
            logger.warning(
                "New runs go to another version; `outlive workers promote` changes that",
                extra={"build": build, "current": found.current},
            )
    except (RPCError, DeploymentError) as error:
        logger.warning("The version could not be looked after; it is tried again", extra={"reason": str(error)})
        return False
    return True


async def _is_drained(client: Client, app: str, build: str) -> bool:
    try:
        found = await read_deployment(client, app)
    except RPCError:
        return False
    own = found.version(build) if found else None
    return own is not None and own.state is VersionState.DRAINED

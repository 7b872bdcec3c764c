"""Namespaces of tests on a cluster that others use too: each is new, and shows the runs of its own tests only."""

import asyncio
import concurrent.futures
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio.api.workflowservice.v1 import RegisterNamespaceRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfigProfile

from engines import fresh
from outlive.engine.connection import configured_cluster

PREFIX = "outlive-tests"
RETENTION = timedelta(days=1)  # the shortest that a cluster takes by default


def new_namespace() -> str:
    """Register a namespace on the cluster that ``TEMPORAL_*`` names; its name.

    From a thread of its own: the one that asks may have an event loop already.
    """
    name = fresh(PREFIX)
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, register(name)).result()
    return name


def own_place() -> dict[str, str]:
    """What a project's commands find a namespace of their own with, on a cluster; on an engine of their own nothing."""
    return {"TEMPORAL_NAMESPACE": new_namespace()} if configured_cluster() else {}


async def register(name: str) -> None:
    """Register a namespace on the configured cluster."""
    arguments = ClientConfigProfile.load().to_client_connect_config()
    client = await Client.connect(**(arguments | {"namespace": name}))
    request = RegisterNamespaceRequest(
        namespace=name,
        workflow_execution_retention_period=Duration(seconds=int(RETENTION.total_seconds())),
        description="A run of Outlive's tests; may be deleted.",
    )
    await client.workflow_service.register_namespace(request)

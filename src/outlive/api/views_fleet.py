"""Workers, versions, queues and deliveries, as the pages show them."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from outlive.api.views import View
from outlive.api.views_batches import moment
from outlive.ledger.deliveries import DeliveryRecord


class EngineView(View):
    """The engine, as this server finds it."""

    state: Literal["ok", "away"]
    address: str | None = Field(default=None, description="Null where it is not known.")
    version: str | None = None
    away_since: datetime | None = Field(default=None, description="When it was first found away.")
    ui: str | None = Field(default=None, description="Where Temporal's own pages are served; null where they are not.")


class WorkerView(View):
    """A worker as it last said of itself."""

    identity: str
    host: str
    pid: str
    task_queue: str
    state: str = Field(
        description="running, stopping, stopped, or silent where one that ran has said nothing for long."
    )
    app: str
    build: str = Field(description="Of its version; empty for one without.")
    heard_at: datetime | None = None
    used_slots: int = Field(description="Activities in its hands.")
    free_slots: int = Field(description="Activities that it would take besides.")


class VersionView(View):
    """A version of an app's code."""

    build: str
    state: str
    created_at: datetime | None = None
    was_current: datetime | None = None


class DeploymentView(View):
    """The versions of one app."""

    name: str
    current: str | None = None
    versions: list[VersionView]


class QueueView(View):
    """A task queue."""

    name: str
    pollers: int
    backlog: int = Field(description="Tasks that no worker has taken yet; about.")
    oldest_seconds: float | None = Field(default=None, description="How long the oldest of them has waited.")


class DeliveryCounts(View):
    """How many events were told, and are to be."""

    waiting: int = 0
    delivered: int = 0
    parked: int = Field(default=0, description="Given up: to be sent again by hand.")


class DeliveryView(View):
    """An event that was given up."""

    number: int
    workflow_id: str
    occurrence: str
    target: str
    attempts: int
    error: str | None = None
    created_at: datetime

    @classmethod
    def of(cls, record: DeliveryRecord) -> "DeliveryView":
        """Return the view of a delivery."""
        return cls(
            number=record.number,
            workflow_id=record.workflow_id,
            occurrence=record.occurrence,
            target=record.target.address,
            attempts=record.attempts,
            error=record.error,
            created_at=moment(record.created_at),
        )


class FleetView(View):
    """What does the work, and what is to be done."""

    as_of: datetime
    engine: EngineView
    workers: list[WorkerView]
    deployments: list[DeploymentView]
    queues: list[QueueView]
    deliveries: DeliveryCounts
    parked: list[DeliveryView] = Field(description="The latest first, 100 at most.")


class RedeliveredView(View):
    """How many deliveries are sent again."""

    count: int

"""What the first page shows."""

from datetime import datetime
from typing import Literal

from pydantic import Field

from outlive.api.views import HandOffView, RunView, View
from outlive.api.views_batches import BatchCard
from outlive.api.views_fleet import EngineView
from outlive.api.views_money import SpentView


class RunningCounts(View):
    """What runs; null where the engine, which knows, is away."""

    agents: int | None = None
    plans: int | None = None
    batches: int


class StuckView(View):
    """Something that does not move by itself."""

    id: str = Field(description="The whole id.")
    kind: Literal["agent", "plan", "batch"]
    name: str
    problem: str = Field(description="What keeps it, and what to do.")
    since: datetime | None = None


class RatesView(View):
    """How fast things go; null where that is not known yet."""

    documents_per_minute: float | None = Field(default=None, description="Of all batches that run.")
    calls_per_minute: float | None = Field(
        default=None, description="Model calls; known once this was read twice within a minute."
    )


class WorkerCounts(View):
    """How many workers there are; null where the engine, which knows, is away."""

    running: int | None = None
    silent: int | None = None


class HomeView(View):
    """What runs, what waits for a person, what is stuck, and what it costs."""

    as_of: datetime
    engine: EngineView
    running: RunningCounts
    waiting: int = Field(description="Hand-offs that wait for a person.")
    stuck: list[StuckView]
    money_today: SpentView = Field(description="Since midnight, UTC.")
    rates: RatesView
    hand_offs: list[HandOffView] = Field(description="The five that have waited longest.")
    batches: list[BatchCard] = Field(description="Those that run or are paused, the latest first.")
    recent: list[RunView] = Field(description="Runs of agents and plans, the latest first.")
    workers: WorkerCounts
    deliveries_parked: int

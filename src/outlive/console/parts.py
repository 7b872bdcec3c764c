"""What the console's own routes share."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from fastapi import Request

from outlive.api.access import Access
from outlive.console.attempts import Attempts
from outlive.console.temporal_ui import TemporalUi
from outlive.worker.supervisor import WorkerSeen


class Demonstration(Protocol):
    """What `outlive demo` lets its visitors see and kill."""

    @property
    def workers(self) -> Sequence[WorkerSeen]:
        """The workers, in their order."""

    @property
    def kills(self) -> int:
        """How many processes were killed so far."""

    @property
    def verdict(self) -> dict[str, Any] | None:
        """The sums at the end, and whether the promise held; None before."""

    def kill(self, worker: int | None) -> int | None:
        """Kill a worker, or with None the engine; return its process id, or None where it is not there just now."""


@dataclass(frozen=True, kw_only=True)
class Parts:
    """What the console has besides the API."""

    access: Access
    temporal_ui: TemporalUi
    demo: Demonstration | None
    attempts: Attempts = field(default_factory=Attempts)


def parts_of(request: Request) -> Parts:
    """Return what the console was made with."""
    parts = request.app.state.console
    assert isinstance(parts, Parts)
    return parts

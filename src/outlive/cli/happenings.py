"""What a supervisor tells, as lines for people."""

import signal
from collections.abc import Callable
from typing import Any

from outlive.engine.events import EngineCarried, EngineDied, EngineGivenUp, EngineStarted, OrphanEnded
from outlive.worker.supervisor import Event, Reloaded, ReloadRefused, WorkerDied, WorkerStarted
from outlive.worker.upkeep import HousekeepingFailed

_UNUSUAL_DEATHS = 2  # from the second quick death in a row on, what the worker said is part of the news


def line_for(event: Event) -> str | None:
    """Return what a person should read of an event; None for what is only as expected."""
    return _LINES[type(event)](event)


def ended_by(status: int) -> str:
    """Return how a process ended, in words, from its exit status (negative: the signal)."""
    if status >= 0:
        return f"ended with status {status}"
    try:
        return f"was ended by {signal.Signals(-status).name}"
    except ValueError:
        return f"was ended by signal {-status}"


def _worker_died(event: WorkerDied) -> str:
    when = f"in {event.restart_in:g} s" if event.restart_in else "at once"
    text = f"worker {event.index} {ended_by(event.status)} (process {event.pid}); started again {when}"
    if event.status >= 0 or event.quick_deaths >= _UNUSUAL_DEATHS:
        said = event.last_words.replace("\n", "\n    ")
        return f"{text}. Its last words:\n    {said}" if said else f"{text}. It said nothing."
    return text


def _engine_started(event: EngineStarted) -> str | None:
    return f"engine is back after {event.seconds:.1f} s (process {event.pid})" if event.restarts else None


def _engine_died(event: EngineDied) -> str:
    why = f", {event.reason}" if event.reason else ""
    return f"engine {ended_by(event.status)}{why} (process {event.pid}); starting it again"


def _engine_carried(event: EngineCarried) -> str:
    return (
        f"engine file carried over from Temporal server {event.before} to {event.after}; "
        f"the file as it was is {str(event.kept)!r}, yours to delete"
    )


def _worker_started(event: WorkerStarted) -> str | None:
    return f"worker {event.index} started again (process {event.pid})" if event.restarts else None


_LINES: dict[type, Callable[[Any], str | None]] = {
    EngineStarted: _engine_started,
    EngineDied: _engine_died,
    EngineGivenUp: lambda event: f"engine given up: {event.reason}",
    EngineCarried: _engine_carried,
    OrphanEnded: lambda event: f"engine {event.pid}, left behind by an earlier owner, ended",
    WorkerStarted: _worker_started,
    WorkerDied: _worker_died,
    Reloaded: lambda event: f"workers run the new code ({', '.join(path.name for path in event.changed)} changed)",
    HousekeepingFailed: lambda event: f"housekeeping did not go through: {event.reason}",
    ReloadRefused: lambda event: f"workers go on with the old code, the new is no valid Python: {event.reason}",
}

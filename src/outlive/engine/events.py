"""What an engine tells whoever started it: plain values, for printing or for tests."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class EngineStarted:
    """The engine answers.

    Attributes:
        seconds: From starting the process to its first answer.
        restarts: How often it was started again before, by this owner.
    """

    address: str
    ui_address: str
    pid: int
    seconds: float
    restarts: int = 0


@dataclass(frozen=True, kw_only=True)
class EngineDied:
    """The engine's process ended without being asked to.

    Attributes:
        status: Exit status; negative for the signal that killed it.
        restart_in: Seconds until it is started again.
        reason: Why it does not come up, where that is known; empty otherwise.
    """

    pid: int
    status: int
    restart_in: float
    reason: str = ""


@dataclass(frozen=True, kw_only=True)
class EngineGivenUp:
    """The engine died again and again at once; it is not started any more."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class EngineCarried:
    """The engine's file was carried over to another server version.

    Attributes:
        before: Server version that wrote the file; ``unknown`` where nobody recorded it.
        after: Server version that has it now.
        kept: The file as it was.
    """

    before: str
    after: str
    kept: Path


@dataclass(frozen=True, kw_only=True)
class OrphanEnded:
    """An engine that an earlier owner had left behind on this file was ended."""

    pid: int


EngineEvent = EngineStarted | EngineDied | EngineGivenUp | EngineCarried | OrphanEnded
OnEngineEvent = Callable[[EngineEvent], None]


def ignore_event(_event: object) -> None:
    """Take no notice: the default of every ``on_event``."""

"""How a tool is to be treated: its time, its attempts, and what follows when they are used up."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from outlive.effects.declaring import declared
from outlive.errors import AppError

METADATA_KEY = "outlive"
DEFAULT_TIMEOUT = timedelta(minutes=10)
DEFAULT_ATTEMPTS = 3
ON_FAILURE = ("tell", "park")

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, kw_only=True)
class ToolTreatment:
    """What the worker and the workflow know of one tool.

    Attributes:
        timeout: For one attempt.
        attempts: How often a call that fails is tried; deaths of the worker do not count.
        on_failure: ``tell`` reports a failure to the model, ``park`` asks a person.
        policy: Of `outlive.effects.declaring.Policy`; None for a tool that declares no effect.
        approve: Whether calls may need to be allowed by a person.
        undo: Whether it can be taken back.
    """

    timeout: timedelta = DEFAULT_TIMEOUT
    attempts: int = DEFAULT_ATTEMPTS
    on_failure: str = "tell"
    policy: str | None = None
    approve: bool = False
    undo: bool = False

    @classmethod
    def of(cls, metadata: dict[str, Any] | None) -> "ToolTreatment":
        """Read it off a tool's metadata; what is not said there is the default."""
        said = (metadata or {}).get(METADATA_KEY) or {}
        return cls(
            timeout=timedelta(seconds=said.get("timeout_seconds", DEFAULT_TIMEOUT.total_seconds())),
            attempts=said.get("attempts", DEFAULT_ATTEMPTS),
            on_failure=said.get("on_failure", "tell"),
            policy=said.get("policy"),
            approve=said.get("approve", False),
            undo=said.get("undo", False),
        )


class ToolOptions(dict[str, Any]):
    """Options of a tool: give them as its metadata, or put them on its function as a decorator."""

    def __call__(self, function: F) -> F:
        """Put the options on a tool's function."""
        function.__outlive_tool__ = self  # type: ignore[attr-defined]
        return function


def tool_options(
    *,
    timeout: timedelta | float | None = None,
    heartbeat_timeout: timedelta | float | None = None,
    attempts: int | None = None,
    on_failure: str | None = None,
) -> ToolOptions:
    """Say how a tool is to be treated.

    ``@agent.tool(metadata=tool_options(attempts=5))``, or as a decorator below it::

        @agent.tool
        @tool_options(timeout=300, on_failure="park")
        async def transfer(ctx, amount: int) -> str: ...

    Args:
        timeout: Longest time of one attempt; seconds, or a timedelta. 10 minutes by default.
        heartbeat_timeout: Silence after which the worker is taken for dead; 5 s by default.
        attempts: How often a call that fails is tried, 3 by default. Deaths of the worker do not count.
        on_failure: After that, ``tell`` (the default) reports the failure to the model, which may go another way;
            ``park`` lets the run wait until a person chooses.

    Raises:
        AppError: For a value that cannot be.
    """
    ours: dict[str, Any] = {}
    options = ToolOptions({METADATA_KEY: ours})
    if timeout is not None:
        ours["timeout_seconds"] = _seconds("timeout", timeout)
    if attempts is not None:
        if attempts < 1:
            raise AppError(f"attempts is {attempts}. A tool is tried at least once.")
        ours["attempts"] = attempts
    if on_failure is not None:
        if on_failure not in ON_FAILURE:
            raise AppError(f"on_failure is {on_failure!r}. It takes 'tell' or 'park'.")
        ours["on_failure"] = on_failure
    if heartbeat_timeout is not None:
        ours["heartbeat_seconds"] = _seconds("heartbeat_timeout", heartbeat_timeout)
    return options


def merged_metadata(metadata: dict[str, Any] | None, function: object) -> dict[str, Any] | None:
    """Return a tool's metadata with the options and the effect that its function is declared with; metadata wins."""
    decorated: ToolOptions | None = getattr(function, "__outlive_tool__", None)
    declaration = declared(function)
    ours = {
        **(declaration.options if declaration else {}),
        **(decorated.get(METADATA_KEY, {}) if decorated else {}),
        **(metadata or {}).get(METADATA_KEY, {}),
    }
    return {**(metadata or {}), METADATA_KEY: ours} if ours else metadata


def activity_config(metadata: dict[str, Any]) -> dict[str, Any]:
    """Return what Pydantic AI is to tell Temporal about a tool with such metadata."""
    said = metadata.get(METADATA_KEY) or {}
    if "heartbeat_seconds" not in said:
        return {}
    return {"heartbeat_timeout": timedelta(seconds=said["heartbeat_seconds"])}


def _seconds(name: str, value: timedelta | float) -> float:
    seconds = value.total_seconds() if isinstance(value, timedelta) else float(value)
    if seconds <= 0:
        raise AppError(f"{name} is {seconds:g} s. It must be more than 0.")
    return seconds

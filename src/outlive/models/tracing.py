"""Whether model calls of this process become spans of OpenTelemetry: Pydantic AI's own instrumentation, or none."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic_ai.models.instrumented import InstrumentationSettings

_chosen: "list[InstrumentationSettings]" = []


def trace_model_calls(how: "InstrumentationSettings | None") -> None:
    """Have model calls traced from now on; None traces none."""
    _chosen[:] = [] if how is None else [how]


def model_tracing() -> "InstrumentationSettings | None":
    """Return how model calls are traced; None where they are not."""
    return _chosen[0] if _chosen else None

"""When a batch will be through and what it will have cost, by how it went lately."""

from dataclasses import dataclass

from outlive.ledger.records import BatchRecord, BatchState, Progress
from outlive.ledger.series import Recent

RECENT_SECONDS = 120.0  # long enough to even slow documents out, short enough to follow a change of the concurrency


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """How fast a batch is, and what is to be expected of it. None stands for what is not known.

    Attributes:
        documents_per_second: Lately; None unless the batch runs.
        ends_at: Seconds since the epoch.
        usd_nanos: What all its documents will have cost, in billionths of a dollar.
        basis: What the forecast rests on, in words; empty where there is none.
    """

    documents_per_second: float | None = None
    seconds_left: float | None = None
    ends_at: float | None = None
    usd_nanos: int | None = None
    basis: str = ""


def outlook_of(record: BatchRecord, progress: Progress, recent: Recent, *, now: float) -> Outlook:
    """Return what is to be expected of a batch.

    Args:
        now: Seconds since the epoch.
    """
    is_running = record.state is BatchState.RUNNING
    rate = recent.documents_per_second if is_running and recent.seconds else None
    if not progress.missing or record.state not in {BatchState.RUNNING, BatchState.PAUSED}:
        return Outlook(documents_per_second=rate)
    seconds_left = progress.missing / rate if rate else None
    each, cost_basis = _cost(progress, recent)
    if seconds_left is None and each is None:
        return Outlook(documents_per_second=rate)
    return Outlook(
        documents_per_second=rate,
        seconds_left=seconds_left,
        ends_at=None if seconds_left is None else now + seconds_left,
        usd_nanos=None if each is None else progress.usd_nanos + round(progress.missing * each),
        basis=f"{_time_basis(recent, rate, is_running=is_running)} {cost_basis}".strip(),
    )


def _time_basis(recent: Recent, rate: float | None, *, is_running: bool) -> str:
    if not is_running:
        return "No end is known while it is paused."
    lately = f"the last {max(recent.seconds, 1) / 60:.0f} min" if recent.seconds >= 90 else f"{recent.seconds:.0f} s"
    if not rate:
        return f"No end is known: no document got its outcome in {lately}."
    return f"The end by the rate of {lately}, {rate * 60:,.0f} documents a minute."


def _cost(progress: Progress, recent: Recent) -> tuple[float | None, str]:
    """Return what one document costs in billionths of a dollar, and where that is taken from."""
    if recent.documents and not recent.unpriced:
        return recent.usd_nanos / recent.documents, "The cost by that of the documents of this time."
    recorded = progress.done + progress.failed_count
    if recorded and not progress.unpriced:
        return progress.usd_nanos / recorded, "The cost by that of all documents so far."
    if progress.unpriced:
        return None, f"No cost is known: {progress.unpriced:,} documents have no known price."
    return None, ""

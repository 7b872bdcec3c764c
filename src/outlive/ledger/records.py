"""What the ledger hands out: small frozen records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from outlive.contracts.batches import BatchSpec
from outlive.errors import BatchError


class BatchState(StrEnum):
    """Where a batch stands, as the ledger remembers it; whether it moves is Temporal's to say."""

    LOADING = "loading"  # its documents are being written down
    RUNNING = "running"
    PAUSED = "paused"
    FINISHED = "finished"
    CANCELLED = "cancelled"


@dataclass(frozen=True, kw_only=True)
class BatchRecord:
    """One batch.

    Attributes:
        number: The ledger's own short key.
        document_count: All entries of the source, duplicates included.
        duplicate_count: Entries that stand for an earlier one with the same address.
        concurrency: Documents in flight over all workers, as it is now.
        created_at: Seconds since the epoch.
    """

    number: int
    batch_id: str
    spec: BatchSpec
    state: BatchState
    state_reason: str | None
    concurrency: int
    document_count: int
    duplicate_count: int
    created_at: float
    finished_at: float | None

    @property
    def unique_count(self) -> int:
        """Documents that get an outcome of their own."""
        return self.document_count - self.duplicate_count


def require_same(found: BatchRecord, spec: BatchSpec) -> None:
    """Make sure that a batch is the one that was meant.

    Raises:
        BatchError: If what decides its answers differs.
    """
    for name in ("function", "source", "model", "instruction", "output_schema"):
        before, now = getattr(found.spec, name), getattr(spec, name)
        if before != now:
            raise BatchError(
                f"Batch {found.batch_id!r} exists with another {name.replace('_', ' ')}: {before!r}, not {now!r}. "
                "Choose another id."
            )


@dataclass(frozen=True, kw_only=True)
class NewDocument:
    """One entry of a source, to be written down.

    Attributes:
        address: What is equal for two ways to write one address; the ``uri`` itself, if left out.
        cause: Set, with the reason, where the entry itself is at fault.
    """

    uri: str
    address: str | None = None
    text: str | None = None
    fields: Mapping[str, Any] | None = None
    cause: str | None = None
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class PendingDocument:
    """A document that has no outcome yet.

    Attributes:
        deaths: How often an attempt that had begun it died.
        outages: How often it was broken off because the model answered nobody.
        calls: Completed model calls of those attempts, by call key: JSON of each answer.
    """

    position: int
    uri: str
    text: str | None
    fields: Mapping[str, Any]
    cause: str | None
    reason: str | None
    deaths: int
    outages: int
    calls: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a batch is: sums over its outcomes.

    Attributes:
        total: Documents that get an outcome of their own (duplicates are not among them).
        failed: By cause.
        calls: Model calls that were paid for, also those whose outcome was taken back by `retry-failed`.
        usd_nanos: Known part of the price, in billionths of a dollar.
        unpriced: Documents whose price is not known.
        begun_again: How often a document was begun again because an attempt died while it was in flight.
        in_flight: Documents begun that have no outcome yet.
    """

    total: int
    done: int = 0
    reused: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)
    calls: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    usd_nanos: int = 0
    unpriced: int = 0
    begun_again: int = 0
    in_flight: int = 0

    @property
    def failed_count(self) -> int:
        """Documents that failed, whatever the cause."""
        return sum(self.failed.values())

    @property
    def missing(self) -> int:
        """Documents that have no outcome yet."""
        return self.total - self.done - self.failed_count


@dataclass(frozen=True, kw_only=True)
class DocumentResult:
    """One entry of the source with what became of it; a duplicate carries the outcome of its first."""

    position: int
    uri: str
    fields: Mapping[str, Any]
    duplicate_of: int | None
    status: str | None
    result: str | None
    cause: str | None
    reason: str | None
    model: str | None
    input_tokens: int
    output_tokens: int
    usd_nanos: int | None
    reused: bool
    seconds: float

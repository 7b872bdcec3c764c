"""A batch and its documents, as the pages show them."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from outlive.api.views import BatchView, View
from outlive.api.views_money import BudgetView
from outlive.handles import BatchStatus, FailureGroup, trouble
from outlive.ledger.browsing import BrowsedDocument
from outlive.ledger.forecasting import Outlook
from outlive.ledger.records import BatchState
from outlive.ledger.series import BatchSeries
from outlive.source_texts import SourceText


def moment(seconds: float) -> datetime:
    """Return a moment in seconds since the epoch as one of UTC."""
    return datetime.fromtimestamp(seconds, tz=UTC)


def known_moment(seconds: float | None) -> datetime | None:
    """Return a moment in seconds since the epoch as one of UTC, where there is one."""
    return None if seconds is None else moment(seconds)


class BatchCard(BatchView):
    """A batch as it stands, and how fast it is."""

    created_at: datetime
    finished_at: datetime | None = None
    documents_per_minute: float | None = Field(
        default=None, description="Over the last two minutes; null unless it runs."
    )
    seconds_left: float | None = Field(default=None, description="At that rate; null where that is not known.")
    reused: int = Field(description="Done with the answer of an earlier batch, at no cost.")
    begun_again: int = Field(description="How often a document was begun again, since its worker died.")
    in_flight: int = Field(description="Documents begun that have no outcome yet.")
    unpriced: int = Field(description="Documents whose price is not known.")

    @classmethod
    def fields_of(cls, status: BatchStatus, outlook: Outlook) -> dict[str, Any]:
        """Return the values of a card."""
        progress, rate = status.progress, outlook.documents_per_second
        return {
            **BatchView.of(status).model_dump(),
            "problem": _problem(status),
            "created_at": moment(status.record.created_at),
            "finished_at": known_moment(status.record.finished_at),
            "documents_per_minute": None if rate is None else round(rate * 60, 1),
            "seconds_left": _rounded(outlook.seconds_left),
            "reused": progress.reused,
            "begun_again": progress.begun_again,
            "in_flight": progress.in_flight,
            "unpriced": progress.unpriced,
        }


class Forecast(View):
    """When a batch will be through, and what it will have cost. What is not known is null."""

    seconds_left: float | None = None
    ends_at: datetime | None = None
    usd_nanos: int | None = Field(default=None, description="Of all its documents, in billionths of a dollar.")
    basis: str = Field(description="What it rests on, in words.")

    @classmethod
    def of(cls, outlook: Outlook) -> "Forecast | None":
        """Return the view; None where nothing is known."""
        if not outlook.basis:
            return None
        ends_at = known_moment(outlook.ends_at)
        return cls(
            seconds_left=_rounded(outlook.seconds_left),
            ends_at=ends_at and ends_at.replace(microsecond=0),
            usd_nanos=outlook.usd_nanos,
            basis=outlook.basis,
        )


class BatchDetail(BatchCard):
    """A batch with what is to be expected of it."""

    forecast: Forecast | None = None
    budget: BudgetView | None = Field(default=None, description="What it may spend; null where it has no budget.")


class SeriesView(View):
    """A batch over time, in steps of one length, without a gap."""

    step_seconds: int
    times: list[int] = Field(description="When each step began, in seconds since the epoch.")
    done: list[int]
    failed: list[int]
    calls: list[int]
    input_tokens: list[int]
    output_tokens: list[int]
    usd_nanos: list[int] = Field(description="Known part of the price, in billionths of a dollar.")
    p50_seconds: list[float | None] = Field(description="Latency of a document; off by 9 % at most.")
    p95_seconds: list[float | None]

    @classmethod
    def of(cls, series: BatchSeries) -> "SeriesView":
        """Return the view of a series."""
        sums = dict(series.sums)
        documents, _ = sums.pop("documents"), sums.pop("unpriced")
        done = [count - failed for count, failed in zip(documents, sums["failed"], strict=True)]
        return cls(
            step_seconds=series.step_seconds,
            times=series.times,
            done=done,
            p50_seconds=series.p50_seconds,
            p95_seconds=series.p95_seconds,
            **sums,
        )


class DocumentRow(View):
    """A document of a batch, in a list."""

    position: int
    uri: str
    status: str | None = Field(default=None, description="done or failed; null while it has no outcome.")
    cause: str | None = None
    reason: str | None = None
    result_preview: str | None = Field(default=None, description="Beginning of the result's JSON text.")
    model: str | None = None
    usd_nanos: int | None = Field(default=None, description="Null where the price is not known.")
    seconds: float | None = None
    recorded_at: datetime | None = None
    duplicate_of: int | None = Field(default=None, description="Position of the document whose outcome it shares.")
    times_begun: int

    @classmethod
    def of(cls, document: BrowsedDocument) -> "DocumentRow":
        """Return the view of a document."""
        return cls(**_row(document))


class DocumentPage(View):
    """A part of a batch's documents, in the order of the source."""

    items: list[DocumentRow]
    next: str | None = Field(default=None, description="`cursor` of the next part; null at the end of the source.")
    scanned_to: int = Field(
        description="Position before which all were looked at: a page of a search may be short, and go on."
    )
    total: int | None = Field(default=None, description="Documents that fit; null where that takes reading them all.")


class FailureView(View):
    """Documents that failed of one cause."""

    cause: str
    documents: int
    explanation: str = Field(description="What the cause means, and what to do.")
    example: DocumentRow

    @classmethod
    def of(cls, group: FailureGroup) -> "FailureView":
        """Return the view of a group."""
        return cls(
            cause=group.cause,
            documents=group.documents,
            explanation=group.explanation,
            example=DocumentRow.of(group.example),
        )


class SourceTextView(View):
    """What a document says."""

    text: str | None = Field(default=None, description="Null where it cannot be had; `note` says why.")
    is_cut: bool = Field(description="Whether it is longer than 200,000 characters.")
    from_: Literal["source", "read", "none"] = Field(
        alias="from", description="source: the batch keeps the text; read: it was read again just now."
    )
    note: str | None = None

    @classmethod
    def of(cls, found: SourceText) -> "SourceTextView":
        """Return the view of a text."""
        return cls.model_validate({**asdict(found), "from": found.origin})


class DocumentDetail(DocumentRow):
    """A document with its fields, its whole result, and what it says."""

    fields: Mapping[str, Any]
    result: Any = Field(default=None, description="JSON of the answer; text where it is text.")
    source: SourceTextView

    @classmethod
    def whole(cls, document: BrowsedDocument, text: SourceText) -> "DocumentDetail":
        """Return the view of a document and its text."""
        return cls(
            **_row(document),
            fields=document.fields,
            result=None if document.result is None else json.loads(document.result),
            source=SourceTextView.of(text),
        )


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else float(round(seconds))


def _problem(status: BatchStatus) -> str | None:
    """Return what keeps a batch from moving: where the engine was asked, or the batch itself says so."""
    is_paused = status.record.state is BatchState.PAUSED
    is_known = bool(status.record.state_reason) if is_paused else status.health is not None
    return trouble(status) if is_known else None


def _row(document: BrowsedDocument) -> dict[str, Any]:
    names = set(DocumentRow.model_fields) - {"recorded_at"}
    return {name: getattr(document, name) for name in names} | {"recorded_at": known_moment(document.recorded_at)}

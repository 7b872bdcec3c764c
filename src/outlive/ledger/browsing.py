"""The documents of a batch as a person pages through them: by position, filtered, searched; a million of them too.

Pages are found by keys, never by counting rows off. What no index answers is looked for in a bounded time: a page
then says how far it has looked, and the next one goes on there. A search reads what it compares in parts, so that it
works on encrypted ledgers too.
"""

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Engine, Select, Text, and_, func, select, type_coerce, union_all

from outlive.contracts.outcomes import Cause, Status
from outlive.encryption.columns import keys_of, open_value
from outlive.errors import UsageError
from outlive.ledger.outages import Again, repeatable
from outlive.ledger.records import BatchRecord, Progress
from outlive.ledger.schema import begun, documents, outcomes

SCAN_SECONDS = 0.1  # with what the page itself takes, an answer stays below 0.2 s
LOOKED_AT_ONCE = 2_000  # documents in a row: some milliseconds, after which the time is looked at
COUNTED_AT_ONCE = 50_000  # documents in a row, of which only the number of outcomes is asked
NAMED_AT_ONCE = 500  # documents of one status, which are named one by one
PREVIEW_CHARACTERS = 300

DocumentStatus = Literal["done", "failed", "missing"]


@dataclass(frozen=True, kw_only=True)
class DocumentFilter:
    """Which documents are meant.

    Duplicates carry the outcome of their first, and are found by no status or cause: they are not counted either.

    Attributes:
        status: None for all.
        cause: Of failed ones; None for all.
        text: What address or reason hold, whatever the case; empty for all.
    """

    status: DocumentStatus | None = None
    cause: str | None = None
    text: str = ""

    def __post_init__(self) -> None:
        """Refuse a cause of what has none.

        Raises:
            UsageError: If documents of a cause are asked for that did not fail.
        """
        if self.cause is not None and self.status not in {None, "failed"}:
            raise UsageError(f"Documents that are {self.status} have no cause. Leave {self.cause!r} out.")

    @property
    def is_of_failures(self) -> bool:
        """Whether only documents are meant that failed."""
        return self.status == "failed" or self.cause is not None


@dataclass(frozen=True, kw_only=True)
class BrowsedDocument:
    """A document of a batch, and what became of it so far.

    Attributes:
        status: None while it has no outcome.
        result_preview: Beginning of the result's JSON text.
        recorded_at: Seconds since the epoch.
        times_begun: How often work on it was begun, since its failure was last taken back.
        fields: JSON values; like the two below only of one document by its position.
        text: The text itself, where the source holds it.
        result: JSON text of the whole result.
    """

    position: int
    uri: str
    status: str | None
    cause: str | None
    reason: str | None
    result_preview: str | None
    model: str | None
    usd_nanos: int | None
    seconds: float | None
    recorded_at: float | None
    duplicate_of: int | None
    times_begun: int
    fields: Mapping[str, Any] = field(default_factory=dict)
    text: str | None = None
    result: str | None = None


@dataclass(frozen=True, kw_only=True)
class DocumentsPage:
    """A part of a batch's documents.

    Attributes:
        scanned_to: Position before which all were looked at.
        next: Where the next part begins; None at the end of the source.
    """

    items: Sequence[BrowsedDocument]
    scanned_to: int
    next: int | None


@dataclass(frozen=True, kw_only=True)
class FailureCount:
    """How many documents failed of one cause, and the position of the first of them."""

    cause: str
    documents: int
    first: int


def count_by(progress: Progress, wanted: DocumentFilter) -> int | None:
    """Return how many documents fit, by the sums of their batch; None where these do not tell."""
    if wanted.text or (wanted.status is None and wanted.cause is None):
        return None
    if wanted.is_of_failures:
        return progress.failed_count if wanted.cause is None else progress.failed.get(wanted.cause, 0)
    return progress.done if wanted.status == "done" else progress.missing


class Browsing:
    """Reads, to be run through `Ledger.call`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @repeatable(Again.ALWAYS)
    def page(
        self,
        record: BatchRecord,
        wanted: DocumentFilter,
        *,
        start: int = 0,
        limit: int = 50,
        seconds: float = SCAN_SECONDS,
    ) -> DocumentsPage:
        """Return the documents from a position on that fit.

        Args:
            seconds: How long to look for them; at least some are looked at.
        """
        deadline, at, found = time.monotonic() + seconds, start, list[int]()
        with self._engine.connect() as connection:
            while at < record.document_count and len(found) < limit:
                hits, at = _look(connection, record, wanted, at, limit - len(found))
                found += hits
                if time.monotonic() > deadline:
                    break
            items = _read(connection, record.number, found)
        is_end = at >= record.document_count
        return DocumentsPage(items=items, scanned_to=min(at, record.document_count), next=None if is_end else at)

    @repeatable(Again.ALWAYS)
    def count(self, record: BatchRecord, wanted: DocumentFilter) -> int | None:
        """Return how many documents fit; None where that takes looking at each."""
        if wanted.text:
            return None
        if wanted.status is None and wanted.cause is None:
            return record.document_count
        is_of = [outcomes.c.batch == record.number]
        if wanted.status != "missing":
            is_of.append(outcomes.c.status == (wanted.status or Status.FAILED))
        if wanted.cause is not None:
            is_of.append(outcomes.c.cause == wanted.cause)
        with self._engine.connect() as connection:
            count = connection.execute(select(func.count()).select_from(outcomes).where(*is_of)).scalar_one()
        return record.unique_count - count if wanted.status == "missing" else count

    @repeatable(Again.ALWAYS)
    def document(self, record: BatchRecord, position: int) -> BrowsedDocument | None:
        """Return one document with all that is known of it; None where the batch has none at this position."""
        with self._engine.connect() as connection:
            found = _read(connection, record.number, [position], whole=True)
        return found[0] if found else None

    @repeatable(Again.ALWAYS)
    def failures(self, record: BatchRecord) -> list[FailureCount]:
        """Return the causes that documents failed of, the most frequent first."""
        failed = and_(outcomes.c.batch == record.number, outcomes.c.status == Status.FAILED)
        query = select(outcomes.c.cause, func.count(), func.min(outcomes.c.position)).where(failed)
        with self._engine.connect() as connection:
            rows = connection.execute(query.group_by(outcomes.c.cause)).all()
        found = [FailureCount(cause=cause or "", documents=count, first=first) for cause, count, first in rows]
        return sorted(found, key=lambda group: (-group.documents, group.cause))

    @repeatable(Again.ALWAYS)
    def at(self, record: BatchRecord, positions: Sequence[int]) -> list[BrowsedDocument]:
        """Return the documents at these positions, in the order of the source."""
        with self._engine.connect() as connection:
            return _read(connection, record.number, positions)


def _look(
    connection: Connection, record: BatchRecord, wanted: DocumentFilter, at: int, limit: int
) -> tuple[Sequence[int], int]:
    """Look for some documents from a position on; return those that fit, and where to go on."""
    if not wanted.text:
        return _candidates(connection, record, wanted, at, limit)
    is_done = wanted.status == "done"  # most are: the few that hold the text are told apart
    room = NAMED_AT_ONCE if wanted.is_of_failures else LOOKED_AT_ONCE
    positions, reached = _candidates(connection, record, DocumentFilter() if is_done else wanted, at, room)
    holding = _holding(connection, record, positions, wanted.text)
    if is_done:
        holding = _done(connection, record.number, sorted(holding))
    hits = [position for position in positions if position in holding]
    return hits[:limit], reached if len(hits) <= limit else hits[limit]


def _candidates(
    connection: Connection, record: BatchRecord, wanted: DocumentFilter, at: int, room: int
) -> tuple[Sequence[int], int]:
    """Return the next positions of a status, at most so many, and the position before which there is no other."""
    end = record.document_count
    if wanted.status is None and wanted.cause is None:
        stop = min(at + room, end)
        return range(at, stop), stop
    if wanted.status == "missing":
        stop = min(at + COUNTED_AT_ONCE, end)
        if not record.duplicate_count and _count_recorded(connection, record.number, at, stop) == stop - at:
            return (), stop
        stop = min(at + LOOKED_AT_ONCE, end)
        query = _missing(record.number, at, stop).limit(room + 1)
    else:
        stop, query = end, _of_status(record.number, wanted, at, room + 1)
    positions: Sequence[int] = list(connection.execute(query).scalars())
    return (positions[:room], positions[room]) if len(positions) > room else (positions, stop)


def _of_status(number: int, wanted: DocumentFilter, at: int, limit: int) -> Select[int]:
    """Return the query for positions: each cause from its own part of the index, which is in order of position."""
    status = wanted.status or Status.FAILED.value
    causes: Sequence[str | None] = [wanted.cause] if wanted.cause else [None] if status == "done" else [None, *Cause]
    parts = [
        select(outcomes.c.position)
        .where(
            outcomes.c.batch == number,
            outcomes.c.status == status,
            outcomes.c.cause.is_(None) if cause is None else outcomes.c.cause == cause,
            outcomes.c.position >= at,
        )
        .order_by(outcomes.c.position)
        .limit(limit)
        .subquery()
        for cause in causes
    ]
    merged = union_all(*(select(part.c.position) for part in parts)).subquery()
    return select(merged.c.position).order_by(merged.c.position).limit(limit)


def _count_recorded(connection: Connection, number: int, start: int, stop: int) -> int:
    """Return how many documents between two positions have an outcome: by the index, without touching the outcomes."""
    here = and_(outcomes.c.batch == number, outcomes.c.position >= start, outcomes.c.position < stop)
    done = and_(outcomes.c.status == Status.DONE, outcomes.c.cause.is_(None))
    failed = and_(outcomes.c.status == Status.FAILED, outcomes.c.cause.in_(list(Cause)))
    counts = [select(func.count().label("some")).select_from(outcomes).where(here, kind) for kind in (done, failed)]
    return sum(connection.execute(union_all(*counts)).scalars())


def _missing(number: int, start: int, stop: int) -> Select[int]:
    joined = documents.outerjoin(outcomes, _same(documents.c.position))
    return (
        select(documents.c.position)
        .select_from(joined)
        .where(documents.c.batch == number, documents.c.position >= start, documents.c.position < stop)
        .where(documents.c.duplicate_of.is_(None), outcomes.c.position.is_(None))
        .order_by(documents.c.position)
    )


def _holding(connection: Connection, record: BatchRecord, positions: Sequence[int], text: str) -> set[int]:
    """Return those of these positions whose address or reason holds a text."""
    if not positions:
        return set()
    sought, keys = text.casefold(), keys_of(connection.dialect)
    here = _among(documents.c.position, positions), documents.c.batch == record.number
    uris = select(documents.c.position, type_coerce(documents.c.uri, Text())).where(*here)
    there = _among(outcomes.c.position, positions), outcomes.c.batch == record.number
    failed = outcomes.c.status == Status.FAILED, outcomes.c.cause.in_(list(Cause))
    reasons = select(outcomes.c.position, type_coerce(outcomes.c.reason, Text())).where(*there, *failed)
    return {
        position
        for query, place in ((uris, "documents.uri"), (reasons, "outcomes.reason"))
        for position, stored in connection.execute(query)
        if sought in (open_value(keys, stored, place) or "").casefold()
    }


def _done(connection: Connection, number: int, positions: Sequence[int]) -> set[int]:
    if not positions:
        return set()
    is_done = outcomes.c.batch == number, outcomes.c.status == Status.DONE, _among(outcomes.c.position, positions)
    return set(connection.execute(select(outcomes.c.position).where(*is_done)).scalars())


def _among(column: ColumnElement[int], positions: Sequence[int]) -> ColumnElement[bool]:
    if isinstance(positions, range):
        return and_(column >= positions.start, column < positions.stop)
    return column.in_(positions)


def _same(position: ColumnElement[int]) -> ColumnElement[bool]:
    return and_(outcomes.c.batch == documents.c.batch, outcomes.c.position == position)


def _read(
    connection: Connection, number: int, positions: Sequence[int], *, whole: bool = False
) -> list[BrowsedDocument]:
    if not positions:
        return []
    keys = keys_of(connection.dialect)
    of = func.coalesce(documents.c.duplicate_of, documents.c.position)
    stored = type_coerce(outcomes.c.result, Text())
    shown = stored if whole or keys is not None else func.substr(stored, 1, PREVIEW_CHARACTERS)
    names = ("status", "cause", "reason", "model", "usd_nanos", "seconds", "recorded_at")
    columns = [documents.c.position, documents.c.uri, documents.c.duplicate_of, *(outcomes.c[name] for name in names)]
    if whole:
        columns += [documents.c.fields, documents.c.text]
    work = and_(begun.c.batch == documents.c.batch, begun.c.position == of)
    query = (
        select(*columns, shown.label("result"), func.coalesce(begun.c.times, 0).label("times_begun"))
        .select_from(documents.outerjoin(outcomes, _same(of)).outerjoin(begun, work))
        .where(documents.c.batch == number, _among(documents.c.position, positions))
        .order_by(documents.c.position)
    )
    return [_browsed(dict(row), keys, whole=whole) for row in connection.execute(query).mappings()]


def _browsed(values: dict[str, Any], keys: Any, *, whole: bool) -> BrowsedDocument:
    result = open_value(keys, values.pop("result"), "outcomes.result")
    fields = values.pop("fields", None)
    return BrowsedDocument(
        **values,
        result_preview=None if result is None else result[:PREVIEW_CHARACTERS],
        fields=json.loads(fields) if fields else {},
        result=result if whole else None,
    )

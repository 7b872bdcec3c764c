"""The ledger's view of whole batches: starting, changing, counting and reading them."""

import hashlib
import json
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import asdict, replace
from itertools import islice
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Engine,
    and_,
    bindparam,
    delete,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError

from outlive.contracts.batches import BatchSpec, ReadingOptions
from outlive.errors import BatchError, BatchUnknown
from outlive.ledger.addresses import uri_key
from outlive.ledger.dialects import insert_into
from outlive.ledger.lookups import keyed
from outlive.ledger.outages import Again, repeatable
from outlive.ledger.progress import sum_up
from outlive.ledger.records import BatchRecord, BatchState, DocumentResult, NewDocument, Progress
from outlive.ledger.results import result_of, results_between
from outlive.ledger.schema import batch_series, batches, begun, calls, documents, outcomes

ROWS_PER_INSERT = 5_000
ROWS_PER_READ = 2_000


def decode_spec(text: str) -> BatchSpec:
    """Return the spec that a batch row holds. What a newer Outlive has written, and this one does not know, is left."""
    values = json.loads(text)
    reading = ReadingOptions(**_known(ReadingOptions, values["reading"]))
    return BatchSpec(**{**_known(BatchSpec, values), "reading": reading})


def _known(kind: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in kind.__dataclass_fields__}


class Batches:
    """Reads and writes of whole batches. Synchronous: callers on an event loop go through ``Ledger``."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._writing = engine.execution_options(outlive_writes=True)

    @repeatable(Again.UNCOMMITTED)
    def create(self, spec: BatchSpec) -> BatchRecord:
        """Write a new batch down, still without documents.

        A batch under this id whose documents were never completely written down is begun anew.

        Raises:
            BatchError: If the id is taken.
        """
        with self._writing.begin() as connection:
            found = _find(connection, spec.batch_id, locked=True)
            if found is not None and found.state is not BatchState.LOADING:
                raise BatchError(f"Batch {spec.batch_id!r} exists already. Choose another id.")
            if found is not None:
                _remove(connection, found.number)
            connection.execute(
                insert(batches).values(
                    batch_id=spec.batch_id,
                    spec=json.dumps(asdict(spec)),
                    recipe=spec.recipe,
                    state=BatchState.LOADING,
                    concurrency=spec.concurrency,
                    document_count=0,
                    duplicate_count=0,
                    created_at=time.time(),
                )
            )
            return _require(connection, spec.batch_id)

    def add_documents(self, batch_id: str, new: Iterable[NewDocument]) -> str:
        """Write the entries of a source down, in their order; nothing is kept in memory.

        Returns:
            Digest of the entries in hexadecimal: the same source, unchanged, gives the same.
        """
        entries = iter(new)
        position = 0
        digest = hashlib.blake2b(digest_size=8)
        while chunk := list(islice(entries, ROWS_PER_INSERT)):
            with self._writing.begin() as connection:
                number = _require(connection, batch_id, locked=True).number
                rows = [_document_row(number, position + place, entry) for place, entry in enumerate(chunk)]
                for row in rows:
                    digest.update(row["uri_key"])
                    row["uri_key"] = keyed(connection, row["uri_key"])
                connection.execute(insert(documents), rows)
            position += len(chunk)
        return digest.hexdigest()

    @repeatable(Again.UNCOMMITTED)
    def seal(self, batch_id: str, *, rename_to: str | None = None) -> BatchRecord:
        """Mark duplicates, count, and declare the batch ready to run, in one transaction.

        Args:
            rename_to: The id that the batch gets for good, where it was loaded under a provisional one.

        Raises:
            BatchError: If that id is taken.
        """
        try:
            return self._seal(batch_id, rename_to or batch_id)
        except IntegrityError as error:
            raise BatchError(f"Batch {rename_to!r} exists already. Choose another id.") from error

    def _seal(self, batch_id: str, final: str) -> BatchRecord:
        with self._writing.begin() as connection:
            found = _require(connection, batch_id, locked=True)
            duplicate_count = _mark_duplicates(connection, found.number)
            count = connection.execute(
                select(func.count()).select_from(documents).where(documents.c.batch == found.number)
            ).scalar_one()
            connection.execute(
                update(batches)
                .where(batches.c.number == found.number)
                .values(
                    batch_id=final,
                    spec=json.dumps(asdict(replace(found.spec, batch_id=final))),
                    state=BatchState.RUNNING,
                    document_count=count,
                    duplicate_count=duplicate_count,
                )
            )
            return _require(connection, final)

    @repeatable(Again.UNCOMMITTED)
    def remove(self, batch_id: str) -> None:
        """Forget a batch altogether: for one that was loaded and turned out to exist already."""
        with self._writing.begin() as connection:
            _remove(connection, _require(connection, batch_id, locked=True).number)

    @repeatable(Again.ALWAYS)
    def remove_stale(self, older_than_seconds: float) -> None:
        """Forget batches whose loading was broken off so long ago that nobody can still be loading them."""
        with self._writing.begin() as connection:
            stale = select(batches.c.number).where(
                batches.c.state == BatchState.LOADING, batches.c.created_at < time.time() - older_than_seconds
            )
            for number in list(connection.execute(stale.with_for_update()).scalars()):
                _remove(connection, number)

    @repeatable(Again.ALWAYS)
    def find(self, batch_id: str) -> BatchRecord | None:
        """Return the batch, or None."""
        with self._engine.begin() as connection:
            return _find(connection, batch_id)

    @repeatable(Again.ALWAYS)
    def ids(self, prefix: str = "") -> list[str]:
        """Return the ids of all batches that begin so, the oldest first."""
        with self._engine.begin() as connection:
            wanted = batches.c.batch_id.startswith(prefix, autoescape=True)
            return list(
                connection.execute(select(batches.c.batch_id).where(wanted).order_by(batches.c.number)).scalars()
            )

    @repeatable(Again.ALWAYS)
    def listed(self, states: Collection[BatchState] = ()) -> list[BatchRecord]:
        """Return the batches that are written down, the oldest first.

        Args:
            states: All, where none is given.
        """
        query = select(batches).where(batches.c.state != BatchState.LOADING).order_by(batches.c.number)
        if states:
            query = query.where(batches.c.state.in_(list(states)))
        with self._engine.begin() as connection:
            return [_record(row) for row in connection.execute(query)]

    @repeatable(Again.ALWAYS)
    def set_state(self, batch_id: str, state: BatchState, reason: str | None = None) -> None:
        """Remember where the batch stands, and why."""
        finished_at = time.time() if state in {BatchState.FINISHED, BatchState.CANCELLED} else None
        with self._writing.begin() as connection:
            connection.execute(
                update(batches)
                .where(batches.c.batch_id == batch_id)
                .values(state=state, state_reason=reason, finished_at=finished_at)
            )

    @repeatable(Again.ALWAYS)
    def set_concurrency(self, batch_id: str, concurrency: int) -> None:
        """Change how many documents are in flight over all workers; they see it within a second."""
        with self._writing.begin() as connection:
            connection.execute(update(batches).where(batches.c.batch_id == batch_id).values(concurrency=concurrency))

    @repeatable(Again.ALWAYS)
    def progress(self, batch_id: str) -> Progress:
        """Sum up the outcomes so far."""
        with self._engine.begin() as connection:
            return sum_up(connection, _require(connection, batch_id))

    @repeatable(Again.ALWAYS)
    def first_missing(self, batch_id: str) -> tuple[int, int]:
        """Return how many documents have no outcome, and the position of the first of them (0 where none is)."""
        with self._engine.begin() as connection:
            number = _require(connection, batch_id).number
            missing, first = connection.execute(
                select(func.count(), func.min(documents.c.position))
                .select_from(_with_outcome())
                .where(_missing(number))
            ).one()
            return missing, first or 0

    @repeatable(Again.UNCOMMITTED)
    def take_back_failed(self, batch_id: str) -> int:
        """Remove the failed outcomes, so that these documents are done again; what they cost stays counted.

        Returns:
            How many documents will be done again.
        """
        with self._writing.execution_options(outlive_snapshot=True).begin() as connection:
            number = _require(connection, batch_id, locked=True).number
            failed = and_(outcomes.c.batch == number, outcomes.c.status == "failed")
            count: int = connection.execute(select(func.count()).select_from(outcomes).where(failed)).scalar_one()
            if not count:
                return 0
            _carry_cost(connection, failed)
            positions = select(outcomes.c.position).where(failed)
            connection.execute(delete(calls).where(calls.c.batch == number, calls.c.position.in_(positions)))
            connection.execute(delete(outcomes).where(failed))
            connection.execute(
                update(batches)
                .where(batches.c.number == number)
                .values(state=BatchState.RUNNING, state_reason=None, finished_at=None)
            )
            return count

    def results(self, batch_id: str) -> Iterator[DocumentResult]:
        """Yield every entry of the source in source order with what became of it, reading a few thousand at a time."""
        with self._engine.begin() as connection:
            record = _require(connection, batch_id)
        for start in range(0, record.document_count, ROWS_PER_READ):
            with self._engine.begin() as connection:
                rows = connection.execute(results_between(record.number, start, start + ROWS_PER_READ)).all()
            yield from map(result_of, rows)

    @repeatable(Again.ALWAYS)
    def results_page(self, batch_id: str, start: int, limit: int) -> list[DocumentResult]:
        """Return what `results` yields between two positions."""
        with self._engine.begin() as connection:
            number = _require(connection, batch_id).number
            return [result_of(row) for row in connection.execute(results_between(number, start, start + limit)).all()]


def _find(connection: Connection, batch_id: str, *, locked: bool = False) -> BatchRecord | None:
    query = select(batches).where(batches.c.batch_id == batch_id)
    row = connection.execute(query.with_for_update() if locked else query).one_or_none()
    return None if row is None else _record(row)


def _record(row: Any) -> BatchRecord:
    return BatchRecord(
        number=row.number,
        batch_id=row.batch_id,
        spec=decode_spec(row.spec),
        state=BatchState(row.state),
        state_reason=row.state_reason,
        concurrency=row.concurrency,
        document_count=row.document_count,
        duplicate_count=row.duplicate_count,
        created_at=row.created_at,
        finished_at=row.finished_at,
    )


def _require(connection: Connection, batch_id: str, *, locked: bool = False) -> BatchRecord:
    found = _find(connection, batch_id, locked=locked)
    if found is None:
        raise BatchUnknown(f"Unknown batch {batch_id!r}. `outlive batch list` shows the batches of this project.")
    return found


def _remove(connection: Connection, number: int) -> None:
    for table in (documents, begun, outcomes, calls, batch_series):
        connection.execute(delete(table).where(table.c.batch == number))
    connection.execute(delete(batches).where(batches.c.number == number))


def _document_row(number: int, position: int, entry: NewDocument) -> dict[str, Any]:
    return {
        "batch": number,
        "position": position,
        "uri": entry.uri,
        "uri_key": uri_key(entry.address or entry.uri, entry.text),
        "text": entry.text,
        "fields": json.dumps(entry.fields, ensure_ascii=False) if entry.fields else None,
        "cause": entry.cause,
        "reason": entry.reason,
        "duplicate_of": None,
    }


def _mark_duplicates(connection: Connection, number: int) -> int:
    first = func.min(documents.c.position).over(partition_by=documents.c.uri_key).label("first")
    unspoiled = (
        select(documents.c.position, first).where(documents.c.batch == number, documents.c.cause.is_(None)).subquery()
    )
    repeated = connection.execute(select(unspoiled).where(unspoiled.c.position != unspoiled.c.first)).all()
    if repeated:
        connection.execute(
            update(documents)
            .where(documents.c.batch == number, documents.c.position == bindparam("at"))
            .values(duplicate_of=bindparam("first")),
            [{"at": position, "first": first} for position, first in repeated],
        )
    return len(repeated)


def _with_outcome() -> Any:
    return documents.outerjoin(
        outcomes, and_(outcomes.c.batch == documents.c.batch, outcomes.c.position == documents.c.position)
    )


def _missing(number: int) -> Any:
    return and_(documents.c.batch == number, documents.c.duplicate_of.is_(None), outcomes.c.position.is_(None))


def _carry_cost(connection: Connection, failed: ColumnElement[bool]) -> None:
    """Add what outcomes have cost to what is kept of their documents; all of it in the database, however many."""
    kept = {
        "earlier_calls": outcomes.c.calls,
        "earlier_input_tokens": outcomes.c.input_tokens,
        "earlier_output_tokens": outcomes.c.output_tokens,
        "earlier_usd_nanos": func.coalesce(outcomes.c.usd_nanos, 0),
    }
    anew = dict.fromkeys(("times", "outages", "given_back"), literal(0))
    spent = insert_into(connection, begun).from_select(
        ["batch", "position", *kept, *anew],
        select(outcomes.c.batch, outcomes.c.position, *kept.values(), *anew.values()).where(failed),
    )
    added = {name: getattr(begun.c, name) + getattr(spent.excluded, name) for name in kept}
    connection.execute(spent.on_conflict_do_update(index_elements=["batch", "position"], set_={**added, **anew}))

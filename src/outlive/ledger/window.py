"""The ledger's hot path: what a window reads before it begins, and writes for every document."""

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, Engine, and_, select, tuple_

from outlive.contracts.outcomes import Outcome, Status
from outlive.encryption.columns import keys_of, seal_value
from outlive.ledger.dialects import is_postgres
from outlive.ledger.lookups import keyed, stored_as
from outlive.ledger.outages import Again, repeatable
from outlive.ledger.records import BatchRecord, PendingDocument
from outlive.ledger.schema import batches, begun, calls, documents, outcomes
from outlive.ledger.series import add_to_series, latency_bin, moment_of
from outlive.ledger.spending import Spent, record_spent
from outlive.ledger.writer import GroupCommit, Row

# Plain SQL: these run for every document, and SQLAlchemy's own row handling costs more than the database's.
_HAVE_OUTCOME = """
SELECT outcomes.batch, outcomes.position FROM json_each(?) AS asked JOIN outcomes
ON outcomes.batch = json_extract(asked.value, '$[0]') AND outcomes.position = json_extract(asked.value, '$[1]')
"""
_HAVE_OUTCOME_ON_POSTGRES = """
SELECT outcomes.batch, outcomes.position FROM unnest(%s::integer[], %s::integer[]) AS asked (batch, position)
JOIN outcomes ON outcomes.batch = asked.batch AND outcomes.position = asked.position
"""
_BEGIN_DOCUMENT = """
INSERT INTO begun (batch, position, times, outages, given_back, earlier_calls, earlier_input_tokens,
                   earlier_output_tokens, earlier_usd_nanos)
VALUES (?, ?, 1, 0, 0, 0, 0, 0, 0) ON CONFLICT (batch, position) DO UPDATE SET times = begun.times + 1
"""
_RECORD_CALL = "INSERT INTO calls (batch, position, call_key, answer) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING"
_RECORD_OUTCOME = """
INSERT INTO outcomes (batch, position, status, cause, reason, result, model, calls, input_tokens, output_tokens,
                      usd_nanos, content_key, reused, seconds, recorded_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING
"""
_COUNT_OUTAGE = "UPDATE begun SET outages = outages + 1 WHERE batch = ? AND position = ?"
_GIVE_BACK = "UPDATE begun SET given_back = given_back + 1 WHERE batch = ? AND position = ?"
_FORGET_CALLS = "DELETE FROM calls WHERE batch = ? AND position = ?"


def begin_documents(connection: Connection, rows: list[Row]) -> set[Row]:
    """Count that these documents were begun, but for those that have their outcome by now: they are returned."""
    if is_postgres(connection):
        asked = tuple(list(column) for column in zip(*rows, strict=True))
        found = connection.exec_driver_sql(_HAVE_OUTCOME_ON_POSTGRES, asked)
    else:
        found = connection.exec_driver_sql(_HAVE_OUTCOME, (json.dumps(rows),))
    recorded: set[Row] = {(batch, position) for batch, position in found}
    if unrecorded := [row for row in rows if row not in recorded]:
        _write(connection, _BEGIN_DOCUMENT, unrecorded)
    return recorded


def record_calls(connection: Connection, rows: list[Row]) -> None:
    """Keep the answers of completed model calls."""
    _write(connection, _RECORD_CALL, [(*row[:3], _sealed(connection, row[3], "calls.answer")) for row in rows])


def record_outcomes(connection: Connection, rows: list[Row]) -> None:
    """Keep outcomes, and count them into their batch's series; a document that has one already keeps it."""
    kept = _write(connection, _RECORD_OUTCOME, [_outcome_row(connection, row) for row in rows])
    add_to_series(connection, map(_series_part, rows if kept == len(rows) else _first(connection, rows)))


def forget_calls(connection: Connection, rows: list[Row]) -> None:
    """Drop the kept answers of documents that have an outcome now."""
    _write(connection, _FORGET_CALLS, rows)


def count_outages(connection: Connection, rows: list[Row]) -> None:
    """Count that the model answered nobody while these documents were worked on."""
    _write(connection, _COUNT_OUTAGE, rows)


def give_back(connection: Connection, rows: list[Row]) -> None:
    """Count that a worker had to stop while it worked on these documents, and lived."""
    _write(connection, _GIVE_BACK, rows)


def _outcome_row(connection: Connection, row: Row) -> Row:
    """Return an outcome as the table holds it: plain SQL goes past what the columns do by themselves."""
    batch, position, status, cause, reason, result, *counts, content_key, reused, seconds, recorded_at, _ = row
    reason = _sealed(connection, reason, "outcomes.reason")
    result = _sealed(connection, result, "outcomes.result")
    content_key = keyed(connection, content_key) if isinstance(content_key, bytes) else None
    return (batch, position, status, cause, reason, result, *counts, content_key, reused, seconds, recorded_at)


def _series_part(row: tuple[Any, ...]) -> tuple[tuple[int, int, int], Sequence[int]]:
    batch, _, status, *_, calls, input_tokens, output_tokens, usd_nanos, _, _, seconds, _, moment = row
    sums = (1, int(status == Status.FAILED), calls, input_tokens, output_tokens, usd_nanos or 0, int(usd_nanos is None))
    return (batch, moment, latency_bin(seconds)), sums


def _first(connection: Connection, rows: list[Row]) -> list[Row]:
    """Return those of these outcomes that were kept: of others another attempt had recorded one before."""
    places = tuple_(outcomes.c.batch, outcomes.c.position).in_([row[:2] for row in rows])
    query = select(outcomes.c.batch, outcomes.c.position, outcomes.c.seconds, outcomes.c.recorded_at).where(places)
    kept = {tuple(row) for row in connection.execute(query)}
    return list({place: row for row in rows if (place := (*row[:2], *row[-3:-1])) in kept}.values())


def _sealed(connection: Connection, value: object, place: str) -> str | None:
    return seal_value(keys_of(connection.dialect), value, place) if isinstance(value, str) else None


def _write(connection: Connection, statement: str, rows: list[Row]) -> int:
    """Write rows, and return how many were written or changed."""
    return connection.exec_driver_sql(
        statement.replace("?", "%s") if is_postgres(connection) else statement, rows
    ).rowcount


def count_spent(connection: Connection, rows: list[Row]) -> None:
    """Count what calls came to, and settle what was set aside for them."""
    record_spent(connection, [call for (call,) in rows if isinstance(call, Spent)])


STATEMENTS = (begin_documents, record_calls, record_outcomes, forget_calls, count_outages, give_back, count_spent)


class WindowLedger:
    """What one worker process reads and writes for the windows of one batch."""

    def __init__(self, engine: Engine, writer: GroupCommit, record: BatchRecord) -> None:
        self._engine = engine
        self._writer = writer
        self._number = record.number
        self._created_at = record.created_at

    @repeatable(Again.ALWAYS)
    def pending(self, start: int, stop: int) -> list[PendingDocument]:
        """Return the documents of a window that have no outcome, in source order."""
        here = and_(documents.c.batch == self._number, documents.c.position >= start, documents.c.position < stop)
        joined = documents.outerjoin(
            outcomes, and_(outcomes.c.batch == documents.c.batch, outcomes.c.position == documents.c.position)
        ).outerjoin(begun, and_(begun.c.batch == documents.c.batch, begun.c.position == documents.c.position))
        with self._engine.begin() as connection:
            rows = connection.execute(
                select(
                    documents.c.position,
                    documents.c.uri,
                    documents.c.text,
                    documents.c.fields,
                    documents.c.cause,
                    documents.c.reason,
                    begun.c.times,
                    begun.c.outages,
                    begun.c.given_back,
                )
                .select_from(joined)
                .where(here, documents.c.duplicate_of.is_(None), outcomes.c.position.is_(None))
                .order_by(documents.c.position)
            ).all()
            kept: dict[int, dict[str, str]] = defaultdict(dict)
            for row in connection.execute(
                select(calls.c.position, calls.c.call_key, calls.c.answer).where(
                    calls.c.batch == self._number, calls.c.position >= start, calls.c.position < stop
                )
            ):
                kept[row.position][row.call_key] = row.answer
        return [
            PendingDocument(
                position=row.position,
                uri=row.uri,
                text=row.text,
                fields=json.loads(row.fields) if row.fields else {},
                cause=row.cause,
                reason=row.reason,
                deaths=(row.times or 0) - (row.outages or 0) - (row.given_back or 0),
                outages=row.outages or 0,
                calls=kept.get(row.position, {}),
            )
            for row in rows
        ]

    async def begin(self, position: int) -> bool:
        """Remember that work on a document begins, so that what was in flight at a crash is known.

        Returns:
            False where the document has its outcome by now, from an attempt that was taken for dead and was not: it
            is not to be done again.
        """
        return await self._writer.write(begin_documents, (self._number, position))

    async def count_outage(self, position: int) -> None:
        """Remember that a begun document has no outcome because the model answered nobody."""
        await self._writer.write(count_outages, (self._number, position))

    def give_back(self, position: int) -> None:
        """Remember that a begun document has no outcome because the worker has to stop: it did not die of it."""
        self._writer.write(give_back, (self._number, position))

    def record_call(self, position: int, call_key: str, answer: str) -> None:
        """Keep the answer of a completed model call until the document has its outcome.

        It is committed no later than any outcome recorded after it, and within milliseconds.
        """
        self._writer.write(record_calls, (self._number, position, call_key, answer))

    def count_spent(self, spent: Spent) -> "asyncio.Future[bool]":
        """Count what a call came to; done once it is committed, no later than an outcome recorded after it."""
        return self._writer.write(count_spent, (spent,))

    async def record(self, outcome: Outcome, *, has_kept: bool = False) -> None:
        """Keep an outcome for good; returns once it is synced to disk. The first one recorded stays.

        Args:
            has_kept: Whether answers of this document were kept, which the outcome makes needless.
        """
        now = time.time()
        recorded = self._writer.write(
            record_outcomes,
            (
                self._number,
                outcome.position,
                outcome.status,
                outcome.cause,
                outcome.reason,
                outcome.result,
                outcome.model,
                outcome.calls,
                outcome.input_tokens,
                outcome.output_tokens,
                outcome.usd_nanos,
                bytes.fromhex(outcome.content_key) if outcome.content_key else None,
                int(outcome.reused),
                outcome.seconds,
                now,
                moment_of(now, self._created_at),
            ),
        )
        if has_kept:  # not sooner: between two commits there must be the one or the other
            self._writer.write(forget_calls, (self._number, outcome.position))
        await recorded

    def concurrency(self) -> int:
        """Return how many documents the batch may have in flight over all workers, as it is now."""
        with self._engine.begin() as connection:
            found = connection.execute(select(batches.c.concurrency).where(batches.c.number == self._number))
            return int(found.scalar_one())

    @repeatable(Again.ALWAYS)
    def has_earlier_answers(self, recipe: str, only_from: str | None) -> bool:
        """Return whether any other batch of this recipe exists, so that looking for its answers is worth it."""
        query = select(batches.c.number).where(batches.c.recipe == recipe, batches.c.number != self._number)
        if only_from is not None:
            query = query.where(batches.c.batch_id == only_from)
        with self._engine.begin() as connection:
            return connection.execute(query.limit(1)).first() is not None

    @repeatable(Again.ALWAYS)
    def find_answers(self, content_keys: Iterable[str], only_from: str | None) -> dict[str, tuple[str, str | None]]:
        """Return result and model of documents done before with the same content and recipe, by content key."""
        asked = stored_as(self._engine, map(bytes.fromhex, content_keys))
        query = select(outcomes.c.content_key, outcomes.c.result, outcomes.c.model).where(
            outcomes.c.content_key.in_(list(asked)), outcomes.c.status == "done"
        )
        if only_from is not None:
            query = query.join(batches, batches.c.number == outcomes.c.batch).where(batches.c.batch_id == only_from)
        with self._engine.begin() as connection:
            return {asked[row.content_key].hex(): (row.result, row.model) for row in connection.execute(query)}

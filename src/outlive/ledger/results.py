"""Reading what became of a batch's documents, in the order of its source."""

import json
from typing import Any

from sqlalchemy import Row, and_, func, select

from outlive.ledger.records import DocumentResult
from outlive.ledger.schema import documents, outcomes


def results_between(number: int, start: int, stop: int) -> Any:
    """Return the query for the entries of a batch between two positions."""
    of = func.coalesce(documents.c.duplicate_of, documents.c.position)
    joined = documents.outerjoin(outcomes, and_(outcomes.c.batch == documents.c.batch, outcomes.c.position == of))
    return (
        select(documents.c.position, documents.c.uri, documents.c.fields, documents.c.duplicate_of, outcomes)
        .select_from(joined)
        .where(documents.c.batch == number, documents.c.position >= start, documents.c.position < stop)
        .order_by(documents.c.position)
    )


def result_of(row: Row[*tuple[Any, ...]]) -> DocumentResult:
    """Return what a row of that query holds."""
    position, uri, fields, duplicate_of = row[:4]
    outcome = row._mapping  # noqa: SLF001 - SQLAlchemy's documented access by column
    has_outcome = outcome[outcomes.c.status] is not None
    return DocumentResult(
        position=position,
        uri=uri,
        fields=json.loads(fields) if fields else {},
        duplicate_of=duplicate_of,
        status=outcome[outcomes.c.status],
        result=outcome[outcomes.c.result],
        cause=outcome[outcomes.c.cause],
        reason=outcome[outcomes.c.reason],
        model=outcome[outcomes.c.model],
        input_tokens=outcome[outcomes.c.input_tokens] or 0,
        output_tokens=outcome[outcomes.c.output_tokens] or 0,
        usd_nanos=outcome[outcomes.c.usd_nanos] if has_outcome else 0,
        reused=bool(outcome[outcomes.c.reused]),
        seconds=outcome[outcomes.c.seconds] or 0.0,
    )

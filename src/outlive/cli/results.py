"""Results of a batch, as a file."""

import contextlib
import json
from decimal import Decimal
from pathlib import Path

from outlive.cli.amounts import NANOS
from outlive.documents.rows import ResultRow
from outlive.documents.sinks import open_sink
from outlive.handles import BatchHandle
from outlive.ledger.records import DocumentResult

MISSING = "missing"
"""Status of a document that has no outcome yet."""


async def write_results(handle: BatchHandle, destination: str, *, file_format: str | None = None) -> int:
    """Write every entry of the source, in source order, failures with their reasons; return how many.

    Raises:
        SinkError: If the file cannot be written, or its format is not known.
    """
    written = 0
    with open_sink(destination, format=file_format) as sink:
        async for rows in handle.results_in_chunks():
            sink.write([result_row(row) for row in rows])
            written += len(rows)
    return written


def result_row(row: DocumentResult) -> ResultRow:
    """Return a ledger row as the sinks take it."""
    return ResultRow(
        position=row.position,
        uri=row.uri,
        status=row.status or MISSING,
        result=json.loads(row.result) if row.result is not None else None,
        cause=row.cause,
        reason=row.reason,
        model=row.model,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        usd=None if row.usd_nanos is None else Decimal(row.usd_nanos) / NANOS,
        reused=row.reused,
        duplicate_of=row.duplicate_of,
        fields=row.fields,
    )


def default_destination(batch_id: str) -> str:
    """Return where results go when the user names no file."""
    return str(Path(f"{batch_id}.jsonl"))


def check_destination(destination: str) -> None:
    """Make sure that results can be written there, before anything is paid for.

    Raises:
        SinkError: If not.
    """
    with contextlib.suppress(_OnlyTried), open_sink(destination):
        raise _OnlyTried


class _OnlyTried(Exception):
    """Leaves a sink so that no file stays behind."""

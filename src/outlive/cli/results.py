"""Results of a batch, as a file, an object or a table."""

import asyncio
import contextlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from outlive.cli.amounts import NANOS
from outlive.cli.references import default_app
from outlive.documents.places import database_parts
from outlive.documents.rows import ResultRow, kinds_of_schema
from outlive.documents.sinks import open_sink
from outlive.errors import AppError
from outlive.handles import BatchHandle
from outlive.ledger.records import DocumentResult
from outlive.settings import Settings

MISSING = "missing"
"""Status of a document that has no outcome yet."""


async def write_results(handle: BatchHandle, destination: str, *, file_format: str | None = None) -> int:
    """Write every entry of the source, in source order, failures with their reasons; return how many.

    Raises:
        SinkError: If the place cannot be written to, or its format is not known.
    """
    written = 0
    kinds = await _kinds(handle) if database_parts(destination) else None
    with open_sink(destination, format=file_format, kinds=kinds) as sink:
        async for rows in handle.results_in_chunks():
            sink.write([result_row(row) for row in rows])
            written += len(rows)
    return written


async def _kinds(handle: BatchHandle) -> dict[str, str] | None:
    """Return what kinds of fields the answers have: by the schema that was asked for, or by the app's own type."""
    from outlive.app import load_app
    from outlive.models.outputs import prepare_output

    spec = (await handle.record()).spec
    wanted: Any = spec.output_schema
    if wanted is None:
        reference = await asyncio.to_thread(default_app, Settings.load())
        try:
            wanted = load_app(reference).registry.batch(spec.function).output_type
        except AppError:  # the code is not here: the first results tell
            return None
    output = prepare_output(wanted)
    return None if output.schema is None or output.wrapped else kinds_of_schema(output.schema)


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

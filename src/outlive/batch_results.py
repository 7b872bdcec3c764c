"""What became of a batch, as the formats that it is handed out in take it."""

import asyncio
import io
import json
import tempfile
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from pathlib import Path

from outlive.documents.rows import ResultRow
from outlive.documents.sinks import FORMATS, STDOUT, open_sink
from outlive.errors import SinkError
from outlive.ledger.records import DocumentResult

MISSING = "missing"
"""Status of a document that has no outcome yet."""
NANOS = 1_000_000_000
PART_BYTES = 256 * 1024


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


def results_as_bytes(chunks: AsyncIterator[list[DocumentResult]], file_format: str) -> AsyncIterator[bytes]:
    """Return results as the parts of a file, as they are read: never the whole of it in memory.

    Args:
        file_format: ``jsonl`` and ``csv`` come as they are read; ``parquet`` is written to a temporary file first.

    Raises:
        SinkError: If the format is not known, or needs a package that is missing; before anything is read.
    """
    if file_format not in FORMATS:
        raise SinkError(f"The format {file_format!r} is not known. It is one of {', '.join(FORMATS)}.")
    if file_format != "parquet":
        return _streamed(chunks, file_format)
    try:
        import pyarrow  # noqa: F401, ICN001 - whether it is there
    except ImportError as error:
        raise SinkError("Writing Parquet needs a package: `pip install 'outlive[parquet]'`.") from error
    return _by_file(chunks, file_format)


async def _streamed(chunks: AsyncIterator[list[DocumentResult]], file_format: str) -> AsyncIterator[bytes]:
    buffer = io.BytesIO()
    with open_sink(STDOUT, format=file_format, stdout=buffer) as sink:
        async for rows in chunks:
            await asyncio.to_thread(sink.write, _rows(rows))
            if buffer.tell():
                yield _taken(buffer)
    if buffer.tell():
        yield _taken(buffer)


async def _by_file(chunks: AsyncIterator[list[DocumentResult]], file_format: str) -> AsyncIterator[bytes]:
    with tempfile.TemporaryDirectory(prefix="outlive-") as folder:
        path = Path(folder) / f"results.{file_format}"
        with open_sink(path, format=file_format) as sink:
            async for rows in chunks:
                await asyncio.to_thread(sink.write, _rows(rows))
        with path.open("rb") as file:
            while part := await asyncio.to_thread(file.read, PART_BYTES):
                yield part


def _rows(rows: Sequence[DocumentResult]) -> list[ResultRow]:
    return [result_row(row) for row in rows]


def _taken(buffer: io.BytesIO) -> bytes:
    found = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return found

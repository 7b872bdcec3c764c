"""Results of a batch, as a file, an object or a table."""

import asyncio
import contextlib
from pathlib import Path
from typing import Any

from outlive.batch_results import result_row
from outlive.cli.references import default_app
from outlive.documents.places import database_parts
from outlive.documents.rows import kinds_of_schema
from outlive.documents.sinks import open_sink
from outlive.errors import AppError
from outlive.handles import BatchHandle
from outlive.settings import Settings


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

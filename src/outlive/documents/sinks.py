"""How results are written: JSON lines, CSV and Parquet, as a stream and never left half. See docs/decisions."""

import csv
import io
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

from outlive.documents.kinds import ending
from outlive.documents.places import database_parts, is_object_url
from outlive.documents.rows import ResultRow, Table, as_object, learn_table
from outlive.documents.targets import ByteTarget, FileTarget, Target
from outlive.errors import SinkError

STDOUT: Final = "-"
FORMATS: Final = ("jsonl", "csv", "parquet")
_BY_ENDING: Final = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet", ".pq": "parquet"}
_LEARNED_FROM: Final = 1000  # rows that decide the columns of a table
ROW_GROUP: Final = 5000  # rows of a Parquet file that are in memory at once
_FORMULA: Final = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # full-width ones too
_NUMBER: Final = re.compile(r"[+-]?\d[\d.,]*(?:[eE][+-]?\d+)?%?")


class Sink(ABC):
    """Takes results in batches. Used as ``with open_sink(...) as sink``: an exception leaves no file behind.

    Attributes:
        name: Where the results go, for people.
        rows_written: How many rows were taken so far.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self.name = target.name
        self.rows_written = 0

    def write(self, rows: Sequence[ResultRow]) -> None:
        """Take the next rows, in order.

        Raises:
            SinkError: They cannot be written, for example because the disk is full.
        """
        with self._target.errors():
            self._write(rows)
        self.rows_written += len(rows)

    @abstractmethod
    def _write(self, rows: Sequence[ResultRow]) -> None: ...

    def _finish(self) -> None:
        """Write what is still held back, where anything is."""
        return

    def _discard(self) -> None:
        """Let go of what would still write."""
        return

    def __enter__(self) -> Self:
        """Return the sink."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the file in its place, or remove what was written where an exception ended the writing."""
        try:
            if kind is None:
                with self._target.errors():
                    self._finish()
                self._target.commit()
        finally:
            self._discard()
            self._target.abandon()


def open_sink(
    destination: str | Path,
    *,
    format: str | None = None,  # noqa: A002 - the word of the command line
    columns: Sequence[str] | None = None,
    kinds: Mapping[str, str] | None = None,
    stdout: BinaryIO | None = None,
) -> Sink:
    """Return a sink that is known to be writable.

    Args:
        destination: A file, an object (``s3://``, ``gs://``, ``az://``), a table (``sql:VARIABLE/TABLE``, where that
            environment variable holds the URL of the database), or ``-`` for standard output.
        format: ``jsonl``, ``csv`` or ``parquet``; None goes by the file's ending, and takes JSON lines for ``-``.
        columns: Fields of the results that get a column of their own; None takes those of the first thousand rows.
        kinds: For a table: the kinds of the results' fields, as `rows.kinds_of_schema` gives them.
        stdout: What ``-`` writes to; None takes the process's own.

    Raises:
        SinkError: An unknown format, a missing folder or package, or a place that cannot be written to.
    """
    text = str(destination)
    if database_parts(text) is not None:
        return _open_table(text, format, columns, kinds)
    chosen = format or ("jsonl" if text == STDOUT else _format_of(text))
    if chosen not in FORMATS:
        raise SinkError(f"The format {chosen!r} is not known. It is one of {', '.join(FORMATS)}.")
    if chosen == "parquet":
        return _open_parquet(text, columns)
    target = _target(text, stdout)
    return JsonLinesSink(target) if chosen == "jsonl" else CsvSink(target, columns)


def _open_table(text: str, chosen: str | None, columns: Sequence[str] | None, kinds: Mapping[str, str] | None) -> Sink:
    from outlive.documents.sql_tables import SqlSink, SqlTarget

    if chosen is not None:
        raise SinkError(f"{text!r} is a table of a database, which has no format. Leave `--format` out.")
    return SqlSink(SqlTarget(text), columns, kinds)


def _format_of(text: str) -> str:
    chosen = _BY_ENDING.get(ending(text))
    if chosen is None:
        raise SinkError(f"The ending of {text!r} names no format. Use .jsonl, .csv or .parquet, or give `--format`.")
    return chosen


def _target(text: str, stdout: BinaryIO | None = None) -> ByteTarget:
    if is_object_url(text):
        from outlive.documents.objects_written import ObjectTarget

        return ObjectTarget(text)
    return FileTarget(None if text == STDOUT else Path(text).expanduser(), stdout)


def _open_parquet(text: str, columns: Sequence[str] | None) -> Sink:
    if text == STDOUT:
        raise SinkError("Parquet cannot be written to standard output. Name a file, or use `--format jsonl`.")
    try:
        from outlive.documents.parquet import ParquetSink
    except ImportError as error:
        raise SinkError("Writing Parquet needs a package: `pip install 'outlive[parquet]'`.") from error
    return ParquetSink(_target(text), columns)


class JsonLinesSink(Sink):
    """One JSON object a line, the result as it is."""

    def __init__(self, target: ByteTarget) -> None:
        super().__init__(target)
        self._file = target.file

    def _write(self, rows: Sequence[ResultRow]) -> None:
        lines = "".join(json.dumps(as_object(row), ensure_ascii=False, default=str) + "\n" for row in rows)
        self._file.write(lines.encode("utf-8", "backslashreplace"))  # half a pair becomes its JSON escape


class TableSink(Sink):
    """Holds the first rows back until they have shown which columns there are."""

    def __init__(
        self,
        target: Target,
        columns: Sequence[str] | None,
        *,
        at_once: int,
        kinds: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(target)
        self._kinds = kinds
        self._columns = None if columns is None else list(columns)
        self._at_once = at_once
        self._held: list[ResultRow] = []
        self._table: Table | None = None

    def _write(self, rows: Sequence[ResultRow]) -> None:
        self._held += rows
        if len(self._held) >= (_LEARNED_FROM if self._table is None else self._at_once):
            self._release()

    def _finish(self) -> None:
        self._release()

    def _release(self) -> None:
        if self._table is None:
            self._table = learn_table(self._held[:_LEARNED_FROM], self._columns, self._kinds)
            self._begin(self._table)
        self._put(self._table, self._held)
        self._held = []

    @abstractmethod
    def _begin(self, table: Table) -> None: ...

    @abstractmethod
    def _put(self, table: Table, rows: Sequence[ResultRow]) -> None: ...


class CsvSink(TableSink):
    """UTF-8, one row a document; a text that a spreadsheet would run as a formula gets a ``'`` before it."""

    def __init__(self, target: ByteTarget, columns: Sequence[str] | None) -> None:
        super().__init__(target, columns, at_once=1)
        self._file = target.file

    def _begin(self, table: Table) -> None:
        self._put_cells([[_csv_cell(name) for name in table.names()]])

    def _put(self, table: Table, rows: Sequence[ResultRow]) -> None:
        self._put_cells([[_csv_cell(cell) for cell in table.cells(row)] for row in rows])

    def _put_cells(self, rows: list[list[Any]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        self._file.write(text.getvalue().encode("utf-8", "replace"))


def _csv_cell(cell: Any) -> Any:
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    # A lone carriage return is not quoted by Python's writer, and would end the row for its readers.
    return _guarded(cell).replace("\r\n", "\n").replace("\r", "\n") if isinstance(cell, str) else cell


def _guarded(text: str) -> str:
    """Return a text that a spreadsheet does not run. Documents are hostile; a formula can send cells elsewhere."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text

"""Where results go: JSON lines, CSV and Parquet, written as a stream and never left half. See docs/decisions."""

import contextlib
import csv
import io
import json
import os
import re
import secrets
import stat
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Final, Self

from outlive.documents.rows import ResultRow, Table, as_object, learn_table
from outlive.errors import SinkError

STDOUT: Final = "-"
FORMATS: Final = ("jsonl", "csv", "parquet")
_BY_ENDING: Final = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet", ".pq": "parquet"}
_LEARNED_FROM: Final = 1000  # rows that decide the columns of a table
ROW_GROUP: Final = 5000  # rows of a Parquet file that are in memory at once
_FORMULA: Final = re.compile("[=+\\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")  # full-width ones too
_NUMBER: Final = re.compile(r"[+-]?\d[\d.,]*(?:[eE][+-]?\d+)?%?")


class Target:
    """A file that appears whole or not at all, or a stream such as standard output."""

    def __init__(self, path: Path | None, stdout: BinaryIO | None) -> None:
        self.name = "standard output" if path is None else str(path)
        self._final = self._part = None
        self._ours = path is not None
        if path is None:
            self.file: BinaryIO = stdout or sys.stdout.buffer
            return
        final = Path(os.path.realpath(path))  # a link stays one
        with self.errors():
            if final.is_dir():
                raise SinkError(f"{self.name!r} is a folder. Name a file in it.")
            if final.exists() and not stat.S_ISREG(final.stat().st_mode):
                self.file = final.open("wb")  # a pipe or device: nothing to rename onto
                return
            part = final.with_name(f".{final.name}.{secrets.token_hex(4)}.part")
            self.file = part.open("xb")
            self._final, self._part = final, part

    def commit(self) -> None:
        """Put the file in its place."""
        with self.errors():
            self.file.flush()
            if self._part is not None:
                os.fsync(self.file.fileno())
            if self._ours:
                self.file.close()
            if self._part is not None and self._final is not None:
                self._part.replace(self._final)

    def abandon(self) -> None:
        """Leave what was there before as it was."""
        if self._ours:
            with contextlib.suppress(OSError):
                self.file.close()
        if self._part is not None:
            self._part.unlink(missing_ok=True)

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what the system says into what the user can do."""
        try:
            yield
        except BrokenPipeError:
            raise  # the reader of our output has gone: the command ends, silently
        except FileNotFoundError as error:
            raise SinkError(f"The folder of {self.name!r} does not exist. Create it, or name another.") from error
        except OSError as error:
            raise SinkError(f"Results cannot be written to {self.name!r}: {error.strerror or error}.") from error


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
    stdout: BinaryIO | None = None,
) -> Sink:
    """Return a sink that is known to be writable.

    Args:
        destination: A file, or ``-`` for standard output.
        format: ``jsonl``, ``csv`` or ``parquet``; None goes by the file's ending, and takes JSON lines for ``-``.
        columns: Fields of the results that get a column of their own; None takes those of the first thousand rows.
        stdout: What ``-`` writes to; None takes the process's own.

    Raises:
        SinkError: An unknown format, a missing folder or package, or a place that cannot be written to.
    """
    text = str(destination)
    path = None if text == STDOUT else Path(text).expanduser()
    chosen = format or (_format_of(path) if path is not None else "jsonl")
    if chosen not in FORMATS:
        raise SinkError(f"The format {chosen!r} is not known. It is one of {', '.join(FORMATS)}.")
    if chosen == "parquet":
        return _open_parquet(path, columns)
    target = Target(path, stdout)
    return JsonLinesSink(target) if chosen == "jsonl" else CsvSink(target, columns)


def _format_of(path: Path) -> str:
    chosen = _BY_ENDING.get(path.suffix.lower())
    if chosen is None:
        raise SinkError(
            f"The ending of {str(path)!r} names no format. Use .jsonl, .csv or .parquet, or give `--format`."
        )
    return chosen


def _open_parquet(path: Path | None, columns: Sequence[str] | None) -> Sink:
    if path is None:
        raise SinkError("Parquet cannot be written to standard output. Name a file, or use `--format jsonl`.")
    try:
        from outlive.documents.parquet import ParquetSink
    except ImportError as error:
        raise SinkError("Writing Parquet needs a package: `pip install 'outlive[parquet]'`.") from error
    return ParquetSink(Target(path, None), columns)


class JsonLinesSink(Sink):
    """One JSON object a line, the result as it is."""

    def _write(self, rows: Sequence[ResultRow]) -> None:
        lines = "".join(json.dumps(as_object(row), ensure_ascii=False, default=str) + "\n" for row in rows)
        self._target.file.write(lines.encode("utf-8", "backslashreplace"))  # half a pair becomes its JSON escape


class TableSink(Sink):
    """Holds the first rows back until they have shown which columns there are."""

    def __init__(self, target: Target, columns: Sequence[str] | None, *, at_once: int) -> None:
        super().__init__(target)
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
            self._table = learn_table(self._held[:_LEARNED_FROM], self._columns)
            self._begin(self._table)
        self._put(self._table, self._held)
        self._held = []

    @abstractmethod
    def _begin(self, table: Table) -> None: ...

    @abstractmethod
    def _put(self, table: Table, rows: Sequence[ResultRow]) -> None: ...


class CsvSink(TableSink):
    """UTF-8, one row a document; a text that a spreadsheet would run as a formula gets a ``'`` before it."""

    def __init__(self, target: Target, columns: Sequence[str] | None) -> None:
        super().__init__(target, columns, at_once=1)

    def _begin(self, table: Table) -> None:
        self._put_cells([[_csv_cell(name) for name in table.names()]])

    def _put(self, table: Table, rows: Sequence[ResultRow]) -> None:
        self._put_cells([[_csv_cell(cell) for cell in table.cells(row)] for row in rows])

    def _put_cells(self, rows: list[list[Any]]) -> None:
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(rows)
        self._target.file.write(text.getvalue().encode("utf-8", "replace"))


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

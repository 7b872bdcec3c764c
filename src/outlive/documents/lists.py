"""Lists of documents: lines, CSV rows and JSON lines, each read as a stream."""

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from outlive.documents.entries import MAX_FIELD, Entry, broken, cleaned, is_clean, is_url, located
from outlive.errors import SourceError

ADDRESS_COLUMNS: Final = ("url", "uri", "link", "href", "path", "file", "filename", "document")
"""Columns that are taken for the address where none is named, in this order, in any case."""

TEXT_COLUMNS: Final = ("text", "content", "body")
"""Columns that are taken for the text itself where there is none for the address."""

_CELL_BREAKS: Final = re.compile(r"[\r\n]")


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a list is called, and where its relative paths begin.

    Attributes:
        prefix: URL of the prefix that relative paths begin at, for a list that lies in a bucket.
    """

    name: str
    folder: Path
    prefix: str | None = None

    @classmethod
    def of_object(cls, url: str) -> "Origin":
        """Return the origin of a list that lies in a bucket."""
        return cls(name=url, folder=Path.cwd(), prefix=url.rpartition("/")[0])

    def located(self, text: str) -> str:
        """Return the URL or absolute path that a line or cell names."""
        if self.prefix is None or is_url(text):
            return located(text, self.folder)
        return f"{self.prefix}/{text}"


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which column or field holds what. One of the two is set, or both."""

    address: str | None = None
    text: str | None = None


def line_entries(lines: Iterable[str], origin: Origin) -> Iterator[Entry]:
    """Yield one entry for each line that is neither blank nor a comment (``#`` first)."""
    for number, raw in enumerate(lines, 1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if len(line) > MAX_FIELD or not is_clean(line):
            yield broken(f"{origin.name}#{number}", f"Line {number} of {origin.name} is not a URL or path.")
        else:
            yield Entry(uri=origin.located(line))


def sniff_delimiter(header: str) -> str:
    """Return what separates the columns of a CSV file, from its first line: the one that is met most often."""
    bare = re.sub(r'"[^"]*"', "", header)
    return max(",;\t|", key=bare.count)


def choose_columns(known: Sequence[str], column: str | None, text_column: str | None, name: str) -> Columns:
    """Return which columns to read.

    Args:
        known: The columns of the CSV file, or the fields of the first JSON line.

    Raises:
        SourceError: For a column that is not there, or where none is named and none can be taken for granted.
    """
    for wanted in (column, text_column):
        if wanted is not None and wanted not in known:
            raise SourceError(f"{name} has no column {wanted!r}. Its columns: {_listed(known)}.")
    if column or text_column:
        return Columns(address=column, text=text_column)
    by_name = {item.lower(): item for item in reversed(known)}
    for guess in ADDRESS_COLUMNS:
        if guess in by_name:
            return Columns(address=by_name[guess])
    for guess in TEXT_COLUMNS:
        if guess in by_name:
            return Columns(text=by_name[guess])
    raise SourceError(
        f"{name} does not say which column holds the documents. Name the one with their URLs or paths (`--column`), "
        f"or the one with the text itself (`--text-column`). Its columns: {_listed(known)}."
    )


def csv_header(lines: Iterable[str], name: str) -> tuple[list[str], str]:
    """Return the columns of a CSV file and what separates them.

    Raises:
        SourceError: Where there is no header, or one that is data.
    """
    iterator = (line for line in lines if line.strip())
    first = next(iterator, "")
    delimiter = sniff_delimiter(first)
    header = next(csv.reader(_chain(first, iterator), delimiter=delimiter), [])
    if not header:
        raise SourceError(f"{name} is empty. It needs a header with the names of its columns, and rows.")
    if any(is_url(cell) for cell in header):
        raise SourceError(
            f"The first row of {name} is data: {_listed(header)}. Put a row with the names of the columns before it, "
            "or name the file .txt and give one URL or path a line."
        )
    return header, delimiter


def _chain(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def csv_entries(
    lines: Iterable[str], header: list[str], delimiter: str, columns: Columns, origin: Origin
) -> Iterator[Entry]:
    """Yield one entry for each row after the header. A row that is malformed is an entry with a cause."""
    csv.field_size_limit(MAX_FIELD)  # one setting per process; the default of 131,072 is less than many documents
    reader = csv.reader(lines, delimiter=delimiter)
    number = -1  # the header is row 0
    while True:
        number += 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield broken(f"{origin.name}#{number}", f"Row {number} of {origin.name} cannot be read: {error}.")
            continue
        if not row:
            number -= 1  # a blank line is no row
        elif number > 0:
            yield _csv_entry(row, header, columns, origin, number)


def _csv_entry(row: list[str], header: list[str], columns: Columns, origin: Origin, number: int) -> Entry:
    if len(row) > len(header):
        reason = f"Row {number} of {origin.name} has {len(row)} cells, but there are {len(header)} columns."
        return broken(f"{origin.name}#{number}", reason)
    padded = row + [""] * (len(header) - len(row))
    return row_entry(dict(zip(header, padded, strict=True)), columns, origin, number)


def json_entries(lines: Iterable[str], columns: Columns, origin: Origin) -> Iterator[Entry]:
    """Yield one entry for each line that is not blank. A line that is no JSON object is an entry with a cause."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        row = json_row(line)
        if row is None:
            reason = f"Line {number} of {origin.name} is not a JSON object."
            yield broken(f"{origin.name}#{number}", reason)
        else:
            yield row_entry(row, columns, origin, number)


def json_row(line: str) -> dict[str, Any] | None:
    """Return the object that a line holds, or None where it holds something else."""
    try:
        row = json.loads(line) if len(line) <= MAX_FIELD else None
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) else None


def row_entry(row: Mapping[str, Any], columns: Columns, origin: Origin, number: int) -> Entry:
    """Return the entry of one row: what its columns say, and the rest as fields."""
    own = f"{origin.name}#{number}"
    address, text = look_up(row, columns.address), look_up(row, columns.text)
    fields = {key: cleaned(value) for key, value in row.items() if key not in {columns.address, columns.text}}
    if columns.address is not None and not (isinstance(address, str) and address.strip()):
        return _without(own, f"Row {number} of {origin.name} has no text in {columns.address!r}.", fields)
    if columns.text is not None and not isinstance(text, str):
        return _without(own, f"Row {number} of {origin.name} has no text in {columns.text!r}.", fields)
    if columns.address is None:
        return Entry(uri=own, text=cleaned(text), fields=fields)
    assert isinstance(address, str)
    if not is_clean(address) or _CELL_BREAKS.search(address.strip()):
        return _without(own, f"Row {number} of {origin.name} has no URL or path in {columns.address!r}.", fields)
    if columns.text is not None:
        return Entry(uri=address.strip(), text=cleaned(text), fields=fields)
    return Entry(uri=origin.located(address.strip()), fields=fields)


def _without(uri: str, reason: str, fields: Mapping[str, Any]) -> Entry:
    entry = broken(uri, reason)
    return Entry(uri=uri, fields=fields, cause=entry.cause, reason=reason)


def look_up(row: Mapping[str, Any], name: str | None) -> Any:
    """Return the value of a field; ``a.b`` also finds ``b`` within ``a``. None where there is none."""
    if name is None:
        return None
    if name in row:
        return row[name]
    value: Any = row
    for part in name.split("."):
        if not isinstance(value, Mapping) or part not in value:
            return None
        value = value[part]
    return value


def field_names(row: Mapping[str, Any], prefix: str = "", depth: int = 3) -> list[str]:
    """Return the fields of a JSON object, those of the objects within it as ``a.b``."""
    names: list[str] = []
    for key, value in row.items():
        names.append(prefix + key)
        if isinstance(value, dict) and depth > 1:
            names += field_names(value, f"{prefix}{key}.", depth - 1)
    return names


def _listed(names: Sequence[str], limit: int = 30) -> str:
    shown = ", ".join(repr(name[:80]) for name in names[:limit])
    return shown + (f" and {len(names) - limit} more" if len(names) > limit else "")

"""Where the documents of a batch come from. See docs/decisions/documents-sources.md for the rules."""

import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, TextIO

from outlive.documents.encodings import detect_list_encoding
from outlive.documents.entries import Entry, file_uri, is_url, located
from outlive.documents.folders import MAGIC, Glob, is_readable_kind, walk
from outlive.documents.kinds import DOCUMENT_ENDINGS, ending
from outlive.documents.lists import (
    Columns,
    Origin,
    choose_columns,
    csv_entries,
    csv_header,
    field_names,
    json_entries,
    json_row,
    line_entries,
)
from outlive.documents.places import database_parts, is_object_url
from outlive.errors import SourceError

STDIN: Final = "-"
_LOOKED_AT: Final = 100  # lines of a text file that decide whether it is a list
_LIST_SHARE: Final = 0.5
_JSON_LINES: Final = frozenset({".jsonl", ".ndjson"})
_CSV: Final = frozenset({".csv", ".tsv"})
_WEB: Final = re.compile(r"https?://", re.IGNORECASE)


class Source:
    """Documents to be read, in a fixed order.

    Attributes:
        description: What it is, for people: ``12 columns of orders.csv`` and the like.
        once: Whether its entries can be read only once (standard input).
    """

    def __init__(self, description: str, entries: Callable[[], Iterator[Entry]], *, once: bool = False) -> None:
        self.description = description
        self._entries = entries
        self.once = once
        self._begun = False

    def entries(self) -> Iterator[Entry]:
        """Yield every entry, one at a time; millions of them need no memory.

        Raises:
            SourceError: On the second call, where the source can be read only once (standard input).
        """
        if self.once and self._begun:
            raise SourceError("Standard input can be read only once. Save it to a file and name that file.")
        self._begun = True
        return self._entries()


def open_source(
    source: str | Path,
    *,
    column: str | None = None,
    text_column: str | None = None,
    query: str | None = None,
    key: str | None = None,
    stdin: TextIO | None = None,
) -> Source:
    """Return a source whose first entries have been seen to be there.

    Args:
        source: A folder, a glob, a list (lines, CSV, JSON lines), one document, one URL, a prefix or glob of an object
            store (``s3://``, ``gs://``, ``az://``), ``sql:VARIABLE`` for the rows of a query on the database whose URL
            that environment variable holds, or ``-`` for ``stdin``.
        column: Column or field with the URLs or paths; ``a.b`` reaches into JSON objects.
        text_column: Column or field with the text itself; with ``column`` too, that one only names the document.
        query: The SELECT, for ``sql:VARIABLE``; its rows are read when the batch is started.
        key: The column that tells its rows apart; None takes ``id``.
        stdin: What ``-`` reads: lines, or JSON lines where a column is named or the first line is a JSON object.

    Raises:
        SourceError: The source is missing, empty, not readable, or has no such column. Nothing was started.
    """
    text = str(source)
    if (database := database_parts(text)) is not None and database[1] is None:
        from outlive.documents.sql import from_rows

        return _checked(from_rows(database[0], query, Columns(address=column, text=text_column), key), text)
    if query is not None or key is not None:
        raise SourceError(f"{text!r} is no database. `--query` and `--key` are for sql:VARIABLE.")
    if text == STDIN:
        return _checked(_from_stdin(stdin, column, text_column), text)
    path = Path(text).expanduser()
    try:
        opened = _from_place(text, path, column, text_column)
        return _checked(opened, text)
    except PermissionError as error:
        raise SourceError(
            f"{text!r} may not be read by this user ({error.filename!r}). Mend its permissions."
        ) from error
    except OSError as error:
        raise SourceError(f"{text!r} cannot be read: {error.strerror or error}.") from error


def _from_place(text: str, path: Path, column: str | None, text_column: str | None) -> Source:
    if _WEB.match(text):
        _refuse_columns(text, column, text_column)
        return Source(text, lambda: iter([Entry(uri=text)]))
    if is_object_url(text):
        return _from_objects(text, column, text_column)
    if is_url(text):
        return _from_file_url(text, column, text_column)
    if path.is_dir():
        _refuse_columns(text, column, text_column)
        return _from_folder(path)
    if path.is_file():
        return _from_file(path, column, text_column)
    if path.exists():
        raise SourceError(f"{text!r} is neither a file nor a folder. To read from a pipe, use `-`.")
    if MAGIC.search(text):
        _refuse_columns(text, column, text_column)
        glob = Glob(text)
        return Source(f"the files {text}", lambda: (Entry(uri=file_uri(file)) for file in glob.files()))
    raise SourceError(f"There is no file or folder {text!r}. It was looked for in {str(Path.cwd())!r}.")


def _from_file_url(text: str, column: str | None, text_column: str | None) -> Source:
    from outlive.documents.files import path_of_url

    path = path_of_url(text)
    if path is None:
        raise SourceError(f"{text!r} is not a source. URLs are read over http, https, s3, gs, az, or file:///PATH.")
    return _from_place(str(path), path, column, text_column)


def _from_objects(url: str, column: str | None, text_column: str | None) -> Source:
    from outlive.documents.objects import ObjectListing

    listing = ObjectListing(url)
    if listing.is_one_object and ending(url) in _CSV | _JSON_LINES:
        return _from_listed(listing.lines, ending(url), Origin.of_object(url), column, text_column)
    _refuse_columns(url, column, text_column)
    if listing.is_one_object:
        return Source(f"the document {url}", listing.entries)
    if next(listing.entries(), None) is None:
        raise SourceError(
            f"{url!r} holds no object that matches. Below a prefix those of a kind that is read are taken (HTML, PDF, "
            "Markdown, text, code); '**/*' at its end takes every object whatever its name."
        )
    return Source(f"the objects {url}", listing.entries)


def _from_folder(folder: Path) -> Source:
    absolute = folder.absolute()

    def entries() -> Iterator[Entry]:
        return (Entry(uri=file_uri(path)) for path in walk(absolute, is_readable_kind))

    if next(entries(), None) is None:
        raise SourceError(
            f"The folder {str(folder)!r} holds no document of a kind that is read (HTML, PDF, Markdown, text, code). "
            f"To take every file whatever its name, use the glob '{folder}/**/*'."
        )
    return Source(f"the folder {folder}", entries)


def _from_file(path: Path, column: str | None, text_column: str | None) -> Source:
    absolute, kind = path.absolute(), ending(path.name)
    if not absolute.stat().st_size:
        raise SourceError(f"{str(path)!r} is empty. It needs at least one document.")
    if kind in _CSV | _JSON_LINES:
        encoding = _encoding(absolute, path)
        origin = Origin(name=str(path), folder=absolute.parent)
        return _from_listed(lambda: _lines(absolute, encoding), kind, origin, column, text_column)
    _refuse_columns(str(path), column, text_column)
    if kind in {".txt", ".text", ""} or kind not in DOCUMENT_ENDINGS:
        listed = _from_list(absolute, path)
        if listed is not None:
            return listed
    return Source(f"the document {path}", lambda: iter([Entry(uri=file_uri(absolute))]))


def _from_list(absolute: Path, path: Path) -> Source | None:
    """Return the source of a text file that is a list, or None where it is a document itself."""
    encoding = detect_list_encoding(absolute)
    if encoding is None or not looks_like_list(_lines(absolute, encoding), absolute.parent):
        return None
    origin = Origin(name=str(path), folder=absolute.parent)
    return Source(f"the list {path}", lambda: line_entries(_lines(absolute, encoding), origin))


def looks_like_list(lines: Iterable[str], folder: Path) -> bool:
    """Return whether a text is a list of documents rather than a document.

    It is one where its first line is a URL, an existing path, or a single word that ends like a document's name, and
    so is at least half of its first hundred lines. Blank lines and comments are passed over.
    """
    meant = (line.strip() for line in lines)
    sample = list(itertools.islice((line for line in meant if line and not line.startswith("#")), _LOOKED_AT))
    verdicts = [_looks_like_entry(line, folder) for line in sample]
    return bool(verdicts) and verdicts[0] and sum(verdicts) >= _LIST_SHARE * len(verdicts)


def _looks_like_entry(line: str, folder: Path) -> bool:
    if len(line) > 4096 or "\x00" in line:
        return False
    if is_url(line):
        return " " not in line
    if " " not in line and ending(line) in DOCUMENT_ENDINGS:
        return True
    try:
        return Path(located(line, folder)).is_file()
    except OSError:
        return False


def _from_listed(
    lines: Callable[[], Iterator[str]], kind: str, origin: Origin, column: str | None, text_column: str | None
) -> Source:
    """Return the source of a CSV or JSON lines list."""
    if kind in _CSV:
        header, delimiter = csv_header(lines(), origin.name)
        columns = choose_columns(header, column, text_column, origin.name)
        return Source(
            _described(columns, origin.name), lambda: csv_entries(lines(), header, delimiter, columns, origin)
        )
    sample = list(itertools.islice((line for line in lines() if line.strip()), _LOOKED_AT))
    columns = _json_columns(sample, column, text_column, origin.name)
    return Source(_described(columns, origin.name), lambda: json_entries(lines(), columns, origin))


def _json_columns(sample: list[str], column: str | None, text_column: str | None, name: str) -> Columns:
    """Return the fields to read; those of the first lines count, since lines may leave some out."""
    rows = [row for line in sample if (row := json_row(line)) is not None]
    if not rows:
        what = "is empty" if not sample else f"begins with {sample[0].strip()[:60]!r}, which is no JSON object"
        raise SourceError(f"{name} {what}. It needs one JSON object a line.")
    known = list(dict.fromkeys(field for row in rows for field in field_names(row)))
    return choose_columns(known, column, text_column, name)


def _from_stdin(stdin: TextIO | None, column: str | None, text_column: str | None) -> Source:
    if stdin is None or stdin.isatty():
        raise SourceError("Nothing is piped into standard input. Pipe a list into it, or name a file.")
    name, folder = "standard input", Path.cwd()
    sample = list(itertools.islice(stdin, _LOOKED_AT))
    lines = itertools.chain([line.removeprefix("\ufeff") for line in sample[:1]], sample[1:], stdin)
    meant = [line for line in sample if line.strip()]
    if not meant:
        raise SourceError("Standard input is empty. Pipe one URL or path a line into it, or JSON lines.")
    origin = Origin(name=name, folder=folder)
    if column or text_column or json_row(meant[0].removeprefix("\ufeff")) is not None:
        columns = _json_columns([meant[0].removeprefix("\ufeff"), *meant[1:]], column, text_column, name)
        return Source(_described(columns, name), lambda: json_entries(lines, columns, origin), once=True)
    return Source(f"the lines of {name}", lambda: line_entries(lines, origin), once=True)


def _checked(source: Source, text: str) -> Source:
    """Return the source where it has at least one entry that can be read.

    Raises:
        SourceError: It has none, or its first entries are all malformed.
    """
    if source.once:  # its first lines were looked at when it was opened
        return source
    sample = list(itertools.islice(source._entries(), _LOOKED_AT))  # noqa: SLF001
    if not sample:
        raise SourceError(f"{text!r} holds no documents. It needs at least one.")
    if all(entry.cause is not None for entry in sample):
        raise SourceError(f"None of the first {len(sample)} rows of {text!r} can be used. {sample[0].reason}")
    return source


def _refuse_columns(text: str, column: str | None, text_column: str | None) -> None:
    if column or text_column:
        raise SourceError(f"{text!r} has no columns. `--column` and `--text-column` are for CSV and JSON lines.")


def _described(columns: Columns, name: str) -> str:
    return (
        f"column {columns.address or columns.text!r} of {name}"
        if columns.address
        else f"texts in {columns.text!r} of {name}"
    )


def _encoding(absolute: Path, path: Path) -> str:
    encoding = detect_list_encoding(absolute)
    if encoding is None:
        raise SourceError(
            f"{str(path)!r} is not UTF-8 text. Save it as UTF-8, for example with `iconv -f WINDOWS-1252 -t UTF-8`."
        )
    return encoding


def _lines(path: Path, encoding: str) -> Iterator[str]:
    """Yield the lines of a file as they are; a byte that is no text survives as a lone surrogate."""
    with path.open(encoding=encoding, errors="surrogateescape", newline="") as file:
        yield from iter(lambda: file.readline(MAX_LINE), "")


MAX_LINE: Final = 50_000_000
"""Longest piece of a list that is taken into memory at once, in characters."""

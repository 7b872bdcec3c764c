"""Documents from the rows of a SQL query. See docs/stores.md."""

import datetime as dt
import uuid
from collections.abc import Iterator, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from outlive.documents.databases import open_named, reason_of
from outlive.documents.entries import Entry, broken, cleaned, is_clean, located
from outlive.documents.lists import Columns, choose_columns
from outlive.documents.sources import Source
from outlive.errors import SourceError

ROWS_PER_FETCH: Final = 500  # that are in memory at once, texts and all
KEY: Final = "id"


class SqlSource(Source):
    """The rows of a query, one document each, ordered by their key.

    The rows are written down when the batch is started, texts included: the batch is of the data of one moment, and
    its workers need no access to the database. They are read through a cursor of the server, so that a million of them
    need no memory here. The query may only read.

    ::

        source = SqlSource(database="WAREHOUSE_URL", query="SELECT id, body FROM tickets", text="body")
    """

    def __init__(
        self, *, database: str, query: str, key: str | None = None, text: str | None = None, address: str | None = None
    ) -> None:
        """Run the query for one row, to see what it gives.

        Args:
            database: Name of the environment variable that holds the URL: ``postgresql://`` or ``sqlite://``.
            query: One SELECT.
            key: Column that tells rows apart; ``id`` where there is one.
            text: Column with the text itself.
            address: Column with the URL or path of the document, to be read by the workers; with ``text`` too, it only
                names the document.

        Raises:
            SourceError: The database cannot be reached or refuses the query, it gives no row, or has no such column.
        """
        self._database = database
        self._query = query.strip().rstrip(";").rstrip()
        self._name = f"sql:{database}"
        known = self._known_columns()
        self._key = _named(known, key or KEY, self._name)
        texts = None if text is None else _named(known, text, self._name)
        addresses = None if address is None else _named(known, address, self._name)
        candidates = [column for column in known if column != self._key or column in (texts, addresses)]
        self._columns = choose_columns(candidates, addresses, texts, self._name)
        super().__init__(f"the rows of {self._name}: {' '.join(self._query.split())}", self._rows)

    def _known_columns(self) -> list[str]:
        for row in self._selected(f"SELECT * FROM (\n{self._query}\n) AS outlive_rows LIMIT 1"):  # noqa: S608 - the user's own query
            return list(row)
        raise SourceError(f"The query on {self._name} gives no rows. It needs at least one.")

    def _rows(self) -> Iterator[Entry]:
        quoted = '"' + self._key.replace('"', '""') + '"'
        ordered = f"SELECT * FROM (\n{self._query}\n) AS outlive_rows ORDER BY {quoted}"  # noqa: S608 - the user's own query
        before: str | None = None
        for row in self._selected(ordered):
            if row[self._key] is None:
                raise SourceError(f"A row of {self._name} has no {self._key!r}. Leave such rows out of the query.")
            key = str(row[self._key])
            if key == before:
                raise SourceError(
                    f"The key {self._key!r} of {self._name} does not tell rows apart: {key!r} comes more than once. "
                    "Name another column with --key, or let the query give one row for each."
                )
            before = key
            yield self._entry(key, row)

    def _entry(self, key: str, row: Mapping[str, Any]) -> Entry:
        own = f"{self._name}#{key}"
        used = {self._columns.address, self._columns.text}
        fields = {name: self._value(name, value) for name, value in row.items() if name not in used}
        for column in (self._columns.address, self._columns.text):
            if column is not None and not isinstance(row[column], str):
                return _without(own, f"Row {key!r} of {self._name} has no text in {column!r}.", fields)
        text = None if self._columns.text is None else cleaned(row[self._columns.text])
        if self._columns.address is None:
            return Entry(uri=own, text=text, fields=fields)
        address = row[self._columns.address].strip()
        if not address or not is_clean(address) or "\n" in address or "\r" in address:
            return _without(own, f"Row {key!r} of {self._name} has no URL or path.", fields)
        if text is not None:
            return Entry(uri=address, text=text, fields=fields)
        return Entry(uri=located(address, Path.cwd()), fields=fields)

    def _selected(self, statement: str) -> Iterator[Mapping[str, Any]]:
        engine = open_named(self._database, SourceError)
        try:
            with engine.connect() as connection, connection.begin():
                _let_it_only_read(connection)
                result = connection.execution_options(
                    stream_results=True, yield_per=ROWS_PER_FETCH, no_parameters=True
                ).exec_driver_sql(statement)
                with result:  # else a reader that has seen enough leaves its cursor open
                    yield from (dict(row) for row in result.mappings())
        except DBAPIError as error:
            raise SourceError(f"The query on {self._name} failed: {reason_of(error)}.") from error
        finally:
            engine.dispose()

    def _value(self, name: str, value: Any) -> Any:
        """Return a cell as a JSON value; numbers that JSON has no room for, times and the like as text."""
        if value is None or isinstance(value, bool | int | str | list | dict):
            return cleaned(value)
        if isinstance(value, float):
            return value if value - value == 0 else str(value)  # not infinite, and a number
        if isinstance(value, dt.date | dt.time):
            return value.isoformat()
        if isinstance(value, Decimal | uuid.UUID | dt.timedelta):
            return str(value)
        raise SourceError(
            f"The column {name!r} of {self._name} holds {type(value).__name__}, which no text is made of. Leave it "
            "out of the query, or cast it there."
        )


def _let_it_only_read(connection: Connection) -> None:
    read_only = "PRAGMA query_only = ON" if connection.dialect.name == "sqlite" else "SET TRANSACTION READ ONLY"
    connection.exec_driver_sql(read_only)


def _named(known: list[str], column: str, name: str) -> str:
    """Return a column by its name; the case counts only where two differ in nothing else."""
    if column in known:
        return column
    alike = [item for item in known if item.lower() == column.lower()]
    if len(alike) != 1:
        raise SourceError(f"The query on {name} gives no column {column!r}, but {', '.join(map(repr, known))}.")
    return alike[0]


def _without(uri: str, reason: str, fields: Mapping[str, Any]) -> Entry:
    entry = broken(uri, reason)
    return Entry(uri=uri, fields=fields, cause=entry.cause, reason=reason)


def from_rows(variable: str, query: str | None, columns: Columns, key: str | None) -> Source:
    """Return the source for ``sql:VARIABLE`` and a query.

    Raises:
        SourceError: There is no query, or see `SqlSource`.
    """
    if query is None:
        raise SourceError(f"'sql:{variable}' needs a query. Give the SELECT with `--query`.")
    return SqlSource(database=variable, query=query, key=key, text=columns.text, address=columns.address)

"""A table of a database as the place of results: one row for each document, all of them or none. See docs/stores.md."""

import contextlib
import secrets
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Double,
    MetaData,
    Numeric,
    Table,
    Text,
    column,
    func,
    insert,
    inspect,
    select,
    table,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateColumn
from sqlalchemy.types import TypeEngine

from outlive.documents.databases import open_named, reason_of
from outlive.documents.places import database_parts
from outlive.documents.rows import AFTER, BEFORE, ResultRow
from outlive.documents.rows import Table as Columns
from outlive.documents.sinks import TableSink
from outlive.documents.targets import Target
from outlive.errors import SinkError

ROWS_AT_ONCE: Final = 1000
LONGEST_NAME: Final = 63  # bytes of a column's name; PostgreSQL cuts longer ones off
_KINDS: Final[dict[str, TypeEngine[Any]]] = {
    "bool": Boolean(),
    "int": BigInteger(),
    "float": Double(),
    "text": Text(),
}
_FIXED: Final[dict[str, TypeEngine[Any]]] = {
    "position": BigInteger(),
    "input_tokens": BigInteger(),
    "output_tokens": BigInteger(),
    "usd": Numeric(18, 9).with_variant(Double(), "sqlite"),  # billionths of a dollar, exactly, where there are such
    "reused": Boolean(),
    "duplicate_of": BigInteger(),
}


class SqlTarget(Target):
    """A table, and the one transaction in which it is written: readers see what was there before, then all of it."""

    def __init__(self, destination: str) -> None:
        """Make sure that there is such a table, or that it can be made.

        Raises:
            SinkError: The database cannot be reached or refuses, or no table is named.
        """
        self.name = destination
        variable, named = database_parts(destination) or ("", None)
        if named is None:
            raise SinkError(f"{destination!r} names no table. Results go into one, such as sql:{variable}/results.")
        schema, _, self.table = named.rpartition(".")
        self.schema = schema or None
        self._engine = open_named(variable, SinkError)
        self._connection: Connection | None = None
        try:
            with self.errors():
                self._connection = self._engine.connect()
                self._connection.begin()
                self._make_table()
        except SinkError:
            self.abandon()
            raise

    @property
    def connection(self) -> Connection:
        """The open transaction."""
        if self._connection is None:
            raise SinkError(f"{self.name!r} is closed.")
        return self._connection

    def commit(self) -> None:
        """Let readers see the rows."""
        with self.errors():
            self.connection.commit()

    def abandon(self) -> None:
        """Leave the table as it was."""
        if self._connection is not None:
            with contextlib.suppress(DBAPIError):
                self._connection.close()
            self._connection = None
        self._engine.dispose()

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what the database says into what the user can do."""
        try:
            yield
        except DBAPIError as error:
            raise SinkError(f"Results cannot be written to {self.name!r}: {reason_of(error)}.") from error

    def add_columns(self, wanted: Sequence[Column[Any]]) -> None:
        """Add the columns that the table does not have; those that it has keep their types."""
        present = {found["name"] for found in inspect(self.connection).get_columns(self.table, self.schema)}
        quoted = self.connection.dialect.identifier_preparer.format_table(table(self.table, schema=self.schema))
        for new in wanted:
            if new.name not in present:
                definition = CreateColumn(new).compile(dialect=self.connection.dialect)
                self.connection.exec_driver_sql(f"ALTER TABLE {quoted} ADD COLUMN {definition}")

    def _make_table(self) -> None:
        fixed = [Column(name, _FIXED.get(name, Text()), primary_key=name == "uri") for name in (*BEFORE, *AFTER)]
        Table(self.table, MetaData(), *fixed, schema=self.schema).create(self.connection, checkfirst=True)


class SqlSink(TableSink):
    """Rows go into a temporary table first, and from there into the named one, all at once, by the document's ``uri``.

    A row that is there is replaced, so that writing the same results twice gives the same table. An entry that repeats
    an earlier one under the same ``uri`` has no row of its own.
    """

    def __init__(self, target: SqlTarget, columns: Sequence[str] | None, kinds: Mapping[str, str] | None) -> None:
        super().__init__(target, columns, at_once=ROWS_AT_ONCE, kinds=kinds)
        self._sql = target
        self._staged: Table | None = None

    def _begin(self, table: Columns) -> None:
        self._staged = Table(
            f"outlive_{secrets.token_hex(8)}", MetaData(), *_sql_columns(table, self.name), prefixes=["TEMPORARY"]
        )
        self._staged.create(self._sql.connection)

    def _put(self, table: Columns, rows: Sequence[ResultRow]) -> None:
        if not rows or self._staged is None:
            return
        names = [found.name for found in self._staged.columns]
        is_sqlite = self._sql.connection.dialect.name == "sqlite"
        cells = [
            [float(cell) if is_sqlite and isinstance(cell, Decimal) else cell for cell in table.cells(row)]
            for row in rows
        ]
        self._sql.connection.execute(insert(self._staged), [dict(zip(names, row, strict=True)) for row in cells])

    def _finish(self) -> None:
        super()._finish()
        if self._staged is None:
            return
        self._refuse_two_documents_of_one_uri(self._staged)
        self._sql.add_columns([Column(found.name, found.type) for found in self._staged.columns])
        self._merge(self._staged)
        self._staged.drop(self._sql.connection)

    def _refuse_two_documents_of_one_uri(self, staged: Table) -> None:
        twice = (
            select(staged.c.uri)
            .where(staged.c.duplicate_of.is_(None))
            .group_by(staged.c.uri)
            .having(func.count() > 1)
            .limit(1)
        )
        uri = self._sql.connection.execute(twice).scalar()
        if uri is not None:
            raise SinkError(
                f"Two documents of the batch are called {uri!r}, and {self.name!r} has one row for each name. Write "
                "these results to a file."
            )

    def _merge(self, staged: Table) -> None:
        names = [found.name for found in staged.columns]
        target = Table(
            self._sql.table,
            MetaData(),
            *(Column(found.name, found.type) for found in staged.columns),
            schema=self._sql.schema,
        )
        first = select(func.min(staged.c.position)).group_by(staged.c.uri)
        rows = select(*staged.columns).where(staged.c.position.in_(first)).order_by(staged.c.uri)
        dialect = sqlite if self._sql.connection.dialect.name == "sqlite" else postgresql
        merging = dialect.insert(target).from_select(names, rows)
        replaced = {name: merging.excluded[name] for name in names if name != "uri"}
        self._sql.connection.execute(merging.on_conflict_do_update(index_elements=[column("uri")], set_=replaced))


def _sql_columns(table: Columns, destination: str) -> list[Column[Any]]:
    kinds = {
        f"{part.prefix}.{name}": _KINDS[kind]
        for part in (table.result, table.fields)
        for name, kind in part.kinds.items()
    }
    columns: dict[str, Column[Any]] = {}
    for name in table.names():
        plain = name.replace(".", "_", 1)  # a dot would have to be quoted in every query
        if len(plain.encode()) > LONGEST_NAME:
            raise SinkError(f"The column {plain!r} has too long a name for {destination!r}. Write to a file.")
        if plain.lower() in columns:
            raise SinkError(
                f"Two columns would be called {plain!r} in {destination!r}, but for their case. Write to a file."
            )
        columns[plain.lower()] = Column(plain, kinds.get(name) or _FIXED.get(name) or Text())
    return list(columns.values())

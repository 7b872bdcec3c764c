"""Bringing the tables of a database to what the code knows: what is missing is added, nothing is changed or removed.

Code that knows fewer tables and columns goes on working on the same database: what it does not name is empty in the
rows that it writes, or has the default that the database holds. See ``docs/decisions/ledger-databases.md``.
"""

from dataclasses import dataclass

from sqlalchemy import Column, Connection, Index, MetaData, insert, inspect, select
from sqlalchemy.schema import CreateColumn

from outlive.errors import LedgerError
from outlive.ledger.schema import meta


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a database is to hold.

    Attributes:
        tables: Besides the table ``meta`` with the schema's version, which comes by itself.
        version: Of the schema. It changes only where code that knows the one before would do harm.
        called: What messages call the database.
        version_name: Under which the table ``meta`` has the version, where two of these share a database.
    """

    tables: MetaData
    version: int
    called: str
    version_name: str = "schema_version"


def is_up_to_date(connection: Connection, wanted: Wanted) -> bool:
    """Return whether nothing is missing; it only reads.

    Raises:
        LedgerError: If the database was written by a newer Outlive that this one would do harm to.
    """
    present = set(inspect(connection).get_table_names())
    if not {meta.name, *wanted.tables.tables} <= present or not _has_version(connection, wanted):
        return False
    return not _missing_columns(connection, wanted.tables) and not _missing_indexes(connection, wanted.tables)


def lacking(connection: Connection, wanted: Wanted) -> list[str]:
    """Return what is missing, in words: tables first, then columns and indexes of tables that are there.

    Raises:
        LedgerError: If the database was written by a newer Outlive that this one would do harm to.
    """
    present = set(inspect(connection).get_table_names())
    if meta.name in present:
        _has_version(connection, wanted)
    absent = [table.name for table in wanted.tables.sorted_tables if table.name not in present]
    columns = [column for column in _missing_columns(connection, wanted.tables) if column.table.name in present]
    indexes = [index for index in _missing_indexes(connection, wanted.tables) if index.table.name in present]  # type: ignore[union-attr]
    return [
        *(f"table {name}" for name in absent),
        *(f"column {column.table.name}.{column.name}" for column in columns),
        *(f"index {index.name}" for index in indexes),
    ]


def bring_up_to_date(connection: Connection, wanted: Wanted) -> None:
    """Add the tables, columns and indexes that are missing. The caller has let nobody else in.

    Raises:
        LedgerError: If the database was written by a newer Outlive that this one would do harm to.
    """
    meta.create(connection, checkfirst=True)
    is_known = _has_version(connection, wanted)
    wanted.tables.create_all(connection)
    for column in _missing_columns(connection, wanted.tables):
        _add_column(connection, column)
    for index in _missing_indexes(connection, wanted.tables):
        index.create(connection)
    if not is_known:
        connection.execute(insert(meta).values(name=wanted.version_name, value=str(wanted.version)))


def _has_version(connection: Connection, wanted: Wanted) -> bool:
    found = connection.execute(select(meta.c.value).where(meta.c.name == wanted.version_name)).scalar()
    if found is not None and int(found) > wanted.version:
        raise LedgerError(
            f"The {wanted.called} was written by a newer Outlive (schema {found}, this one knows {wanted.version}). "
            "Upgrade Outlive to read it."
        )
    return found is not None


def _missing_columns(connection: Connection, tables: MetaData) -> list[Column[object]]:
    found = inspect(connection).get_multi_columns(filter_names=list(tables.tables))
    present = {(name, column["name"]) for (_, name), columns in found.items() for column in columns}
    return [
        column for table in tables.sorted_tables for column in table.columns if (table.name, column.name) not in present
    ]


def _missing_indexes(connection: Connection, tables: MetaData) -> list[Index]:
    found = inspect(connection).get_multi_indexes(filter_names=list(tables.tables))
    present = {index["name"] for indexes in found.values() for index in indexes}
    wanted = [index for table in tables.sorted_tables for index in table.indexes]
    return sorted((index for index in wanted if index.name not in present), key=lambda index: str(index.name))


def _add_column(connection: Connection, column: Column[object]) -> None:
    quoted = connection.dialect.identifier_preparer.format_table(column.table)
    definition = CreateColumn(column).compile(dialect=connection.dialect)
    connection.exec_driver_sql(f"ALTER TABLE {quoted} ADD COLUMN {definition}")

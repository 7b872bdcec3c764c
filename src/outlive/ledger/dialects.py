"""Where SQLite and PostgreSQL are not asked in the same words."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, Engine, Table, cast, func
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


def is_postgres(database: Engine | Connection) -> bool:
    """Return whether a database is PostgreSQL; otherwise it is SQLite."""
    return database.dialect.name == "postgresql"


def insert_into(database: Engine | Connection, table: Table) -> "sqlite.Insert | postgresql.Insert":
    """Return an INSERT that may be given an ``on_conflict_do_nothing`` or ``on_conflict_do_update``."""
    return postgresql.insert(table) if is_postgres(database) else sqlite.insert(table)


def total(column: ColumnElement[Any]) -> ColumnElement[int]:
    """Return the sum of a column of whole numbers, 0 where there is none: as an integer on PostgreSQL too."""
    return cast(func.coalesce(func.sum(column), 0), BigInteger)


class json_number(FunctionElement[int]):  # noqa: N801 - written as a function
    """A whole number of the JSON object that a text column holds: ``json_number(table.c.facts, "calls")``."""

    type = BigInteger()
    inherit_cache = True
    name = "json_number"


@compiles(json_number, "sqlite")
def _on_sqlite(element: json_number, compiler: SQLCompiler, **options: Any) -> str:
    column, name = element.clauses
    return f"json_extract({compiler.process(column, **options)}, '$.' || {compiler.process(name, **options)})"


@compiles(json_number, "postgresql")
def _on_postgres(element: json_number, compiler: SQLCompiler, **options: Any) -> str:
    column, name = element.clauses
    return (
        f"CAST(CAST({compiler.process(column, **options)} AS JSON) ->> {compiler.process(name, **options)} AS BIGINT)"
    )

"""``INSERT … ON CONFLICT`` in the words of the database at hand."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Table

from outlive.ledger.dialects import insert_into


def insert_missing(connection: Connection, table: Table, values: dict[str, Any]) -> None:
    """Write a row, unless there is one of this primary key."""
    connection.execute(insert_into(connection, table).values(**values).on_conflict_do_nothing())


def insert_or_set(connection: Connection, table: Table, values: dict[str, Any], changed: Sequence[str]) -> None:
    """Write a row; where there is one of this primary key, set these columns of it."""
    statement = insert_into(connection, table).values(**values)
    taken = {name: statement.excluded[name] for name in changed}
    connection.execute(statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=taken))


def insert_or_add(connection: Connection, table: Table, values: dict[str, Any], added: Sequence[str]) -> None:
    """Write a row; where there is one of this primary key, add to these columns of it."""
    statement = insert_into(connection, table).values(**values)
    sums = {name: table.c[name] + statement.excluded[name] for name in added}
    connection.execute(statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=sums))

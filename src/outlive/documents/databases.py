"""Databases of the user's own, as sources and sinks: named by the environment variable that holds their URL."""

import sqlite3
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from outlive.errors import UsageError
from outlive.settings import process_environment

DRIVERS: Final = {
    "postgresql": "postgresql+psycopg",
    "postgres": "postgresql+psycopg",
    "postgresql+psycopg": "postgresql+psycopg",
    "sqlite": "sqlite",
}
CONNECT_SECONDS: Final = 10


def open_named(variable: str, error: type[UsageError]) -> Engine:
    """Return an engine for the database whose URL an environment variable holds; nothing is asked of it yet.

    A transaction begins with the first statement and holds all of it, changes of tables too, on SQLite as well.

    Args:
        error: What is raised; messages hold no part of the URL, since the password may be any part.

    Raises:
        UsageError: The variable is not set, or holds no URL of PostgreSQL or SQLite.
    """
    address = process_environment().get(variable, "")
    if not address:
        raise error(
            f"The environment variable {variable!r} is not set. It is to hold the URL of the database, such as "
            "postgresql://user:password@host:5432/database or sqlite:////absolute/path.db."
        )
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        raise error(f"{variable!r} holds no URL. Write special characters of a password as %XX.") from None
    driver = DRIVERS.get(url.drivername)
    if driver is None:
        raise error(f"{variable!r} is a URL of {url.drivername!r}. It is to begin with postgresql:// or sqlite://.")
    try:
        options = {"connect_timeout": CONNECT_SECONDS, "application_name": "outlive"} if driver != "sqlite" else {}
        engine = create_engine(url.set(drivername=driver), connect_args=options)
    except ModuleNotFoundError as missing:
        raise error("PostgreSQL needs the package psycopg: `pip install 'outlive[postgres]'`.") from missing
    if driver == "sqlite":
        event.listen(engine, "connect", _leave_transactions_to_us)
        event.listen(engine, "begin", _begin)
    return engine


def reason_of(error: DBAPIError) -> str:
    """Return what the database said, without the statement, on one line."""
    return " ".join(str(error.orig).split())


def _leave_transactions_to_us(connection: sqlite3.Connection, _record: Any) -> None:
    connection.isolation_level = None  # else the driver commits before each change of tables


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN")

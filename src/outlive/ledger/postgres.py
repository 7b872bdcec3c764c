"""The ledger on a PostgreSQL server: its address, its connections, its schema."""

from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError, DatabaseError, InterfaceError

from outlive.errors import LedgerError
from outlive.ledger.outages import reason_of, watch_commits
from outlive.ledger.tables import Wanted, bring_up_to_date, is_up_to_date

CONNECT_SECONDS = 3  # until a server that says nothing is taken for absent: less than any heartbeat timeout
POOL_SIZE = 5  # the ledger's threads and its writer
OVERFLOW = 5
SCHEMA_LOCK = 0x6F75746C697665  # advisory lock: one process at a time looks after the tables
SILENCE = {
    # a connection that the network has swallowed is given up within 20 s, not within the 2 hours of the defaults
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 20_000,  # milliseconds
}
SYNC = "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"


def parse_url(address: str) -> URL:
    """Return the address of a PostgreSQL database.

    Raises:
        LedgerError: If it is none. Messages hold no part of it, since the password may be any part.
    """
    url = _read(address)
    if url is None:
        raise LedgerError(
            "OUTLIVE_LEDGER is no URL of the form postgresql://user:password@host:5432/database. Write special "
            "characters of user and password as %XX: an @ as %40, a / as %2F, a # as %23."
        )
    if url.drivername not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise LedgerError("OUTLIVE_LEDGER is a URL of another database. It takes postgresql://…, or unset it.")
    return url.set(drivername="postgresql+psycopg")


def shown(address: str) -> str:
    """Return an address as it may be shown: without its options, and with ``***`` for its password."""
    return parse_url(address).set(drivername="postgresql", query={}).render_as_string(hide_password=True)


def _read(address: str) -> URL | None:
    try:
        url = make_url(address)
    except (ArgumentError, ValueError):
        return None  # no error is passed on: what could not be read may hold the password
    is_cut_wrong = set("@/#?") & set(f"{url.host or ''}{url.database or ''}")  # by a character of the password
    return None if is_cut_wrong else url


def open_postgres(address: str, wanted: Wanted) -> Engine:
    """Open the ledger of a PostgreSQL server, and create its tables where they do not exist.

    Transactions of ``engine.execution_options(outlive_writes=True)`` read what is committed at each statement, and so
    lock the rows that they change by what they have read; with ``outlive_snapshot=True`` they see the database at one
    moment and may fail for what others have changed since. All others see it at one moment. Commits wait until the
    server has them on disk.

    Raises:
        LedgerError: If it cannot be reached, refuses, or was written by a newer Outlive.
    """
    engine = connected(parse_url(address))
    try:
        with engine.begin() as connection:
            if is_up_to_date(connection, wanted):
                return engine
        with engine.execution_options(outlive_writes=True).begin() as connection:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SCHEMA_LOCK})
            bring_up_to_date(connection, wanted)
    except (DatabaseError, InterfaceError) as error:
        engine.dispose()
        raise LedgerError(
            f"The {wanted.called} {shown(address)!r} cannot be opened: {reason_of(error)}. "
            "Check OUTLIVE_LEDGER, and that the server runs and lets this user create tables; or let one who may run "
            "`outlive ledger migrate`."
        ) from error
    except LedgerError:
        engine.dispose()
        raise
    return engine


def connected(url: URL) -> Engine:
    """Return an engine for a database; nothing is asked of it yet.

    Raises:
        LedgerError: If the driver is not installed.
    """
    try:
        engine = create_engine(
            url,
            pool_size=POOL_SIZE,
            max_overflow=OVERFLOW,
            pool_pre_ping=True,  # a server that was restarted is noticed before anything is asked of it
            connect_args={"connect_timeout": CONNECT_SECONDS, "application_name": "outlive", **SILENCE},
        )
    except ModuleNotFoundError as error:
        raise LedgerError(
            "A ledger on PostgreSQL needs the package psycopg. Install it with `pip install 'outlive[postgres]'`."
        ) from error
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    watch_commits(engine)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    from psycopg.types.string import StrDumperUnknown

    class NoNul(StrDumperUnknown):
        """PostgreSQL's texts cannot hold a NUL: the replacement character stands for it."""

        def dump(self, obj: str) -> Any:
            return super().dump(obj.replace("\0", "\ufffd"))

    connection.adapters.register_dumper(str, NoNul)
    with connection.cursor() as cursor:
        cursor.execute(SYNC)
    connection.commit()


def _begin(connection: Connection) -> None:
    from psycopg import IsolationLevel

    options = connection.get_execution_options()
    reads_afresh = options.get("outlive_writes", False) and not options.get("outlive_snapshot", False)
    raw: Any = connection.connection.dbapi_connection
    raw.isolation_level = IsolationLevel.READ_COMMITTED if reads_afresh else IsolationLevel.REPEATABLE_READ

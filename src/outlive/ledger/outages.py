"""When a database cannot be reached, and what may be done again once it can."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from enum import Enum
from typing import ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError

PATIENCE_SECONDS = 8.0
"""How long an operation waits for a database that cannot be reached: less than `policies.LEDGER_TIMEOUT`, so that
nothing that its caller has given up is still done later."""
FIRST_PAUSE_SECONDS = 0.1
LONGEST_PAUSE_SECONDS = 2.0

LOST_STATES = ("08", "57P0")  # beginnings of SQLSTATE: connection exceptions; the server shuts down, or starts
PASSING_STATES = frozenset({"40001", "40P01", "53300", "25006"})
"""Serialisation failure, deadlock, too many connections, and a server that only reads since it is no primary now."""

P = ParamSpec("P")
T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., object])
_patience: ContextVar[float] = ContextVar("outlive_ledger_patience", default=PATIENCE_SECONDS)
_thread = threading.local()


class Again(Enum):
    """Whether an operation whose connection was lost may be run again from its beginning.

    Attributes:
        ALWAYS: Doing it twice is as doing it once.
        UNCOMMITTED: It is one transaction, and counts: only where that was certainly not committed.
    """

    ALWAYS = "always"
    UNCOMMITTED = "uncommitted"


def repeatable(again: Again) -> Callable[[F], F]:
    """Mark an operation that `Ledger.call` may run again: one that consumes nothing, such as an iterator."""

    def mark(operation: F) -> F:
        operation.__dict__["outlive_again"] = again
        return operation

    return mark


@contextmanager
def outages_waited_out() -> Iterator[None]:
    """Let operations that may be run again wait for their database however long it takes.

    For activities that heartbeat meanwhile, and so learn when they are given up.
    """
    token = _patience.set(float("inf"))
    try:
        yield
    finally:
        _patience.reset(token)


def patience() -> float:
    """Return for how many seconds an operation of this task is tried again."""
    return _patience.get()


def watch_commits(engine: Engine) -> None:
    """Note, for each thread, that a transaction that writes begins to be committed."""
    event.listen(engine, "commit", _note_commit)


def _note_commit(connection: Connection) -> None:
    _thread.committing = connection.get_execution_options().get("outlive_writes", False)


class LostError(Exception):
    """The database could not be reached, and what was asked of it may be asked again; ``error`` says why."""

    def __init__(self, error: DBAPIError) -> None:
        super().__init__(str(error))
        self.error = error


def attempt(operation: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run an operation once.

    Raises:
        LostError: If it failed for an outage, and may be run again.
        DBAPIError: If it failed otherwise.
    """
    _thread.committing = False
    try:
        return operation(*args, **kwargs)
    except DBAPIError as error:
        again = getattr(operation, "outlive_again", None)
        if is_passing(error) and (again is Again.ALWAYS or (again is Again.UNCOMMITTED and not _thread.committing)):
            raise LostError(error) from error
        raise


def is_passing(error: DBAPIError) -> bool:
    """Return whether an error of PostgreSQL is one of the moment: it cannot be reached, or asks to begin again."""
    if not _is_of_psycopg(error):
        return False
    state = getattr(error.orig, "sqlstate", None)
    if state is None:  # it came from the client's side of the connection
        return isinstance(error, OperationalError | InterfaceError)
    return state in PASSING_STATES or state.startswith(LOST_STATES)


def is_of_the_database(error: DBAPIError) -> bool:
    """Return whether an error has nothing to do with the rows that were written: it is waited out."""
    if _is_of_psycopg(error):
        return isinstance(error, OperationalError | InterfaceError | InternalError)
    return isinstance(error, OperationalError)


def reason_of(error: DBAPIError) -> str:
    """Return what the database said, on one line."""
    return " ".join(str(error.orig).split())


def _is_of_psycopg(error: DBAPIError) -> bool:
    return hasattr(error.orig, "sqlstate")

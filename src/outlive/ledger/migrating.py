"""What a database lacks, and adding it on purpose: for operators whose workers may not create tables."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, create_engine
from sqlalchemy.exc import DatabaseError, InterfaceError

from outlive.errors import LedgerError
from outlive.ledger.database import open_sqlite
from outlive.ledger.outages import reason_of
from outlive.ledger.postgres import connected, open_postgres, parse_url, shown
from outlive.ledger.schema import SCHEMA_VERSION, metadata
from outlive.ledger.tables import Wanted, lacking

LEDGER = Wanted(tables=metadata, version=SCHEMA_VERSION, called="ledger")


@dataclass(frozen=True, kw_only=True)
class Migration:
    """What was, or would be, added to a database.

    Attributes:
        called: What it is called: ledger, event log.
        place: Its path, or its URL without the password.
        version: Schema version of the code that looked.
        lacking: Tables, columns and indexes, in words; empty where the database was up to date.
    """

    called: str
    place: str
    version: int
    lacking: list[str]


def migrate(where: Path | str, wanted: Wanted, *, check: bool = False) -> Migration:
    """Add to a database what it lacks, all or nothing, and say what that is.

    Args:
        where: A SQLite file, or the URL of a PostgreSQL database.
        check: Only look; nothing is written, and a file that is not there is not made.

    Raises:
        LedgerError: It cannot be opened or changed, or was written by a newer Outlive that this one would do harm to.
    """
    place = str(where) if isinstance(where, Path) else shown(where)
    missing = _missing(where, wanted, place)
    if missing and not check:
        if isinstance(where, Path):
            open_sqlite(where, wanted.tables, version=wanted.version, called=wanted.called).dispose()
        else:
            open_postgres(where, wanted).dispose()
    return Migration(called=wanted.called, place=place, version=wanted.version, lacking=missing)


def _missing(where: Path | str, wanted: Wanted, place: str) -> list[str]:
    if isinstance(where, Path) and not where.exists():
        return [f"table {name}" for name in wanted.tables.tables]
    engine = _to_look_at(where)
    try:
        with engine.begin() as connection:
            return lacking(connection, wanted)
    except (DatabaseError, InterfaceError) as error:
        raise LedgerError(f"The {wanted.called} {place!r} cannot be opened: {reason_of(error)}.") from error
    finally:
        engine.dispose()


def _to_look_at(where: Path | str) -> Engine:
    if isinstance(where, Path):
        return create_engine(f"sqlite:///file:{where}?mode=ro&uri=true")
    return connected(parse_url(where))

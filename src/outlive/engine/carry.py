"""Carrying an engine's file over to another server version.

The dev server starts on a file of another version and does not migrate it: what needs the new tables then fails, in
silence for some features. So a fresh file is made by the new server itself, and every row of the old one is put in.
"""

# ruff: noqa: S608 - the names in the statements are SQLite's own catalogue's, quoted

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from outlive.engine.home import sync_folder
from outlive.errors import EngineFailed

# Filled by triggers of executions_visibility; their own tables (…_data, …_idx) are SQLite's business.
_FULL_TEXT_INDEX = "executions_visibility_fts"
DAMAGE_MEND = (
    "Bring back a backup with `outlive engine restore FOLDER --force` (the file is kept aside), "
    "or move the file away to start with an empty engine."
)
SIDE_FILES = ("-wal", "-shm", "-journal")


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table, as SQLite describes it."""

    name: str
    is_generated: bool


Schema = dict[str, list[Column]]


def schemas_differ(old: Path, template: Path) -> bool:
    """Return whether two engine files are laid out differently.

    Raises:
        EngineFailed: Where one of them is no usable SQLite file.
    """
    with open_db(old) as one, open_db(template) as other:
        return _definitions(one) != _definitions(other)


def carry_rows(old: Path, template: Path, *, kept: Path) -> None:
    """Put every row of the old file into the template's layout; the result takes the old file's name.

    The old file is not written to before the new one is complete and checked; it is kept, as ``kept``. Nobody else
    may have either file open.

    Raises:
        EngineFailed: Where a row would have no place in the new layout, or a file is damaged. The old is as it was.
    """
    fresh = old.with_name(f"{old.name}.carrying")
    remove_db(fresh)
    fold_wal(template)
    shutil.copyfile(template, fresh)
    fresh.chmod(0o600)
    with open_db(fresh) as db:
        try:
            db.execute("ATTACH ? AS old", (str(old),))
            _fill(db)
        except sqlite3.Error as error:
            raise EngineFailed(f"The rows of {str(old)!r} do not fit the new server's layout: {error}.") from error
        check_integrity(db, fresh)
    fold_wal(fresh)
    sync_file(fresh)
    fold_wal(old)
    kept.unlink(missing_ok=True)
    os.link(old, kept)
    fresh.replace(old)
    sync_folder(old.parent)


def _fill(db: sqlite3.Connection) -> None:
    before, after = _schema(db, "old"), _schema(db, "main")
    _refuse_loss(db, before, after)
    db.execute("PRAGMA foreign_keys = OFF")
    with db:
        for table, columns in after.items():
            db.execute(f"DELETE FROM main.{_quoted(table)}")
            if table not in before:
                continue
            known = {column.name for column in before[table]}
            names = [_quoted(column.name) for column in columns if column.name in known and not column.is_generated]
            listed = ", ".join(names)
            db.execute(f"INSERT INTO main.{_quoted(table)} ({listed}) SELECT {listed} FROM old.{_quoted(table)}")
    for table in before.keys() & after.keys():
        counts = [_count(db, schema, table) for schema in ("old", "main")]
        if counts[0] != counts[1]:
            raise EngineFailed(f"Table {table!r} has {counts[0]} rows, of which {counts[1]} arrived in the new file.")


def _refuse_loss(db: sqlite3.Connection, before: Schema, after: Schema) -> None:
    for table, columns in before.items():
        if table not in after:
            if _count(db, "old", table):
                raise EngineFailed(f"The new server has no place for the {_count(db, 'old', table)} rows of {table!r}.")
            continue
        there = {column.name for column in after[table]}
        for column in columns:
            if column.name in there or column.is_generated:
                continue
            query = f"SELECT COUNT({_quoted(column.name)}) FROM old.{_quoted(table)}"  # counts values, not NULLs
            if db.execute(query).fetchone()[0]:
                raise EngineFailed(f"The new server has no place for column {column.name!r} of {table!r}.")


def open_db(path: Path, *, timeout: float = 10) -> "closing[sqlite3.Connection]":
    """Open an engine or ledger file for a ``with`` block.

    Args:
        timeout: Seconds to wait for a lock that somebody else holds.

    Raises:
        EngineFailed: Where it is not a SQLite file or damaged.
    """
    db = sqlite3.connect(path, timeout=timeout)
    try:
        db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        db.close()
        raise damaged(path, str(error)) from error
    return closing(db)


def check_integrity(db: sqlite3.Connection, path: Path) -> None:
    """Let SQLite look over a whole file.

    Raises:
        EngineFailed: With what SQLite found.
    """
    try:
        verdict = db.execute("PRAGMA main.integrity_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        raise damaged(path, str(error)) from error
    if verdict != "ok":
        raise damaged(path, verdict)


def damaged(path: Path, reason: str) -> EngineFailed:
    """Return the error for a file that SQLite cannot use."""
    return EngineFailed(f"The file {str(path)!r} cannot be used: {reason}. {DAMAGE_MEND}")


def fold_wal(path: Path) -> None:
    """Bring everything into the one file, so that it can be copied or renamed; nobody else may have it open.

    Raises:
        EngineFailed: Where somebody has.
    """
    with open_db(path) as db:
        try:
            db.execute("PRAGMA journal_mode = DELETE").fetchone()
        except sqlite3.OperationalError as error:
            raise EngineFailed(
                f"The file {str(path)!r} is in use: {error}. Stop what uses it, then try again."
            ) from error


def remove_db(path: Path) -> None:
    """Remove a SQLite file and what lies beside it."""
    for suffix in ("", *SIDE_FILES):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def set_aside(path: Path, name: str) -> None:
    """Rename a SQLite file with what lies beside it, over an earlier one of that name."""
    remove_db(path.with_name(name))
    for suffix in ("", *SIDE_FILES):
        beside = path.with_name(path.name + suffix)
        if beside.exists():
            beside.replace(path.with_name(name + suffix))


def _schema(db: sqlite3.Connection, schema: str) -> Schema:
    found = db.execute(
        f"SELECT name FROM {schema}.sqlite_master WHERE type = 'table' "
        f"AND name NOT LIKE '{_FULL_TEXT_INDEX}%' AND name NOT LIKE 'sqlite_%'"
    ).fetchall()
    return {name: [*_columns(db, schema, name)] for (name,) in found}


def _columns(db: sqlite3.Connection, schema: str, table: str) -> list[Column]:
    rows = db.execute("SELECT name, hidden FROM pragma_table_xinfo(?, ?)", (table, schema))
    return [Column(name=name, is_generated=bool(hidden)) for name, hidden in rows]


def _definitions(db: sqlite3.Connection) -> set[tuple[str, str]]:
    rows = db.execute("SELECT name, COALESCE(sql, '') FROM sqlite_master")
    return {(name, " ".join(sql.split())) for name, sql in rows}


def _count(db: sqlite3.Connection, schema: str, table: str) -> int:
    return int(db.execute(f"SELECT COUNT(*) FROM {schema}.{_quoted(table)}").fetchone()[0])


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def sync_file(path: Path) -> None:
    """Make what was written to a file durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

"""Encrypting anew what a database holds under another key than the current one, and counting which it is."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Column, Engine, LargeBinary, Table, Text, bindparam, func, literal, select, tuple_, type_coerce
from sqlalchemy import update as change
from sqlalchemy.types import TypeEngine

from outlive.encryption.columns import Sealed, SealedPayload, open_value, seal_value
from outlive.encryption.keyring import MAGIC, Keyring, read_header, text_key_id
from outlive.ledger.lookups import KEYED_BYTES, SECRET_NAME, SECRET_PLACE, keyed
from outlive.ledger.schema import documents, hand_offs, meta, metadata, outcomes

ROWS_AT_ONCE = 500  # in one transaction: other writers wait for it some ten milliseconds
LONGEST_BEGINNING = 160  # of a value: enough to tell its key
CLEAR = ""  # in place of a key's id

Reseal = Callable[[bytes], bytes | None]
"""Gives a serialised payload encrypted under the current key; None where it is already."""


def reseal_ledger(engine: Engine, keys: Keyring, reseal_payload: Reseal) -> dict[str, int]:
    """Encrypt all values of a ledger under the current key; return how many were changed, by table and column.

    May run beside everything else, and be broken off: what is done stays done. A value that somebody changes
    meanwhile is left to the next time, or is under the current key by then.

    Raises:
        EncryptionError: If a value cannot be decrypted. Others are encrypted anew by then.
    """
    counts: Counter[str] = Counter()
    counts[SECRET_PLACE] += _reseal_secret(engine, keys)
    counts["hand_offs.subject"] += _seal_subjects(engine)
    counts["documents.uri_key"] += _key_digests(engine, documents.c.uri_key)
    counts["outcomes.content_key"] += _key_digests(engine, outcomes.c.content_key)
    for table in metadata.sorted_tables:
        counts += reseal_table(engine, table, keys, reseal_payload)
    return dict(+counts)


def reseal_table(engine: Engine, table: Table, keys: Keyring, reseal_payload: Reseal) -> Counter[str]:
    """Encrypt the values of one table under the current key.

    Raises:
        EncryptionError: If a value cannot be decrypted.
    """
    counts: Counter[str] = Counter()
    columns = _encrypted(table)
    for rows in _pages(engine, table, columns) if columns else ():
        for column in columns:
            changed = [
                {**_identity(table, row), "old": row[column.name], "new": fresh}
                for row in rows
                if (fresh := _fresh(row[column.name], column, keys, reseal_payload)) is not None
            ]
            counts[f"{table.name}.{column.name}"] += _replace(engine, column, changed)
    return +counts


def key_usage(engine: Engine, tables: list[Table]) -> dict[str, Counter[str]]:
    """Count values by the id of their key, `CLEAR` for those that have none, by table and column."""
    usage: dict[str, Counter[str]] = {}
    for table in tables:
        for column in _encrypted(table):
            beginning = func.substr(type_coerce(column, _raw(column)), 1, LONGEST_BEGINNING)
            query = select(type_coerce(beginning, _raw(column))).where(type_coerce(column, _raw(column)).isnot(None))
            with engine.connect() as connection:
                found = connection.execution_options(yield_per=10_000).execute(query).scalars()
                usage[f"{table.name}.{column.name}"] = Counter(map(_key_id, found))
    return {place: count for place, count in usage.items() if count}


def _encrypted(table: Table) -> list[Column[Any]]:
    return [column for column in table.columns if isinstance(column.type, Sealed | SealedPayload)]


def _raw(column: Column[Any]) -> TypeEngine[Any]:
    return Text() if isinstance(column.type, Sealed) else LargeBinary()


def _pages(engine: Engine, table: Table, columns: list[Column[Any]]) -> Iterator[list[dict[str, Any]]]:
    identity = list(table.primary_key)
    raw = [type_coerce(column, _raw(column)).label(column.name) for column in columns]
    query = select(*identity, *raw).order_by(*identity).limit(ROWS_AT_ONCE)
    page = query
    while True:
        with engine.begin() as connection:
            rows = [dict(row) for row in connection.execute(page).mappings()]
        if not rows:
            return
        yield rows
        last = [literal(rows[-1][column.name], column.type) for column in identity]
        page = query.where(tuple_(*identity) > tuple_(*last))


def _identity(table: Table, row: dict[str, Any]) -> dict[str, Any]:
    return {f"key_{column.name}": row[column.name] for column in table.primary_key}


def _replace(engine: Engine, column: Column[Any], changed: list[dict[str, Any]]) -> int:
    """Replace values that are still what they were."""
    if not changed:
        return 0
    raw = _raw(column)
    is_same = type_coerce(column, raw) == bindparam("old", type_=raw)
    where = [one == bindparam(f"key_{one.name}", type_=one.type) for one in column.table.primary_key]
    statement = change(column.table).where(*where, is_same).values({column: bindparam("new", type_=raw)})
    with engine.execution_options(outlive_writes=True).begin() as connection:
        connection.execute(statement, changed)
    return len(changed)


def _fresh(stored: Any, column: Column[Any], keys: Keyring, reseal_payload: Reseal) -> Any:
    """Return a value under the current key; None where it is, or where there is none."""
    if stored is None:
        return None
    if isinstance(column.type, SealedPayload):
        return reseal_payload(bytes(stored))
    if text_key_id(stored) == keys.current:
        return None
    place = f"{column.table.name}.{column.name}"
    return seal_value(keys, open_value(keys, stored, place), place)


def _key_id(beginning: str | bytes) -> str:
    if isinstance(beginning, str):
        return text_key_id(beginning) or CLEAR
    begins = bytes(beginning).find(MAGIC)
    return CLEAR if begins < 0 else read_header(bytes(beginning)[begins:])[0]


def _reseal_secret(engine: Engine, keys: Keyring) -> int:
    is_ours = meta.c.name == SECRET_NAME
    with engine.execution_options(outlive_writes=True).begin() as connection:
        stored = connection.execute(select(meta.c.value).where(is_ours)).scalar()
        if stored is None or text_key_id(stored) == keys.current:
            return 0
        fresh = seal_value(keys, open_value(keys, stored, SECRET_PLACE), SECRET_PLACE)
        connection.execute(change(meta).where(is_ours, meta.c.value == stored).values(value=fresh))
    return 1


def _seal_subjects(engine: Engine) -> int:
    """Move subjects that are readable into the column where they are encrypted."""
    clear = select(hand_offs.c.workflow_id, hand_offs.c.hand_off_id, hand_offs.c.subject).where(
        hand_offs.c.sealed_subject.is_(None), hand_offs.c.subject != ""
    )
    with engine.execution_options(outlive_writes=True).begin() as connection:
        rows = [dict(row) for row in connection.execute(clear).mappings()]
        for row in rows:
            this = (hand_offs.c.workflow_id == row["workflow_id"]) & (hand_offs.c.hand_off_id == row["hand_off_id"])
            connection.execute(change(hand_offs).where(this).values(subject="", sealed_subject=row["subject"]))
    return len(rows)


def _key_digests(engine: Engine, column: Column[Any]) -> int:
    """Replace digests that anybody could make by keyed ones."""
    count = 0
    plain = select(column).where(column.isnot(None), func.length(column) != KEYED_BYTES).distinct().limit(ROWS_AT_ONCE)
    statement = change(column.table).where(column == bindparam("old")).values({column: bindparam("new")})
    while True:
        with engine.execution_options(outlive_writes=True).begin() as connection:
            found = [bytes(digest) for digest in connection.execute(plain).scalars()]
            if found:
                pairs = [{"old": digest, "new": keyed(connection, digest)} for digest in found]
                connection.execute(statement, pairs)
        if not found:
            return count
        count += len(found)

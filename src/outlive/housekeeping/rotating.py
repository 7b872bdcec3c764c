"""Encrypting anew all that rests under another key than the current one, and telling which keys are used."""

import asyncio
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from outlive.encryption.keyring import Keyring, keyring_of
from outlive.engine.home import Home
from outlive.engine.sealing import resealed
from outlive.errors import KeysInvalid, LedgerError
from outlive.ledger.ledger import ledger_of, open_ledger
from outlive.ledger.resealing import key_usage, reseal_ledger, reseal_table
from outlive.ledger.schema import metadata
from outlive.payloads.vault import vault_of
from outlive.settings import Settings
from outlive.streams.schema import events, open_streams, streams_of

BUSY_TIMEOUT = 30.0  # seconds that a rewriting of a file waits for those who write into it
CHUNKS = "payloads"


@dataclass(frozen=True, kw_only=True)
class Rotation:
    """What was encrypted anew.

    Attributes:
        key_id: Of the key that all of it is under now.
        changed: How many values, by table and column; chunks under `CHUNKS`.
        unclean: Files that may still hold bytes of before in room that they do not use: somebody was at them.
    """

    key_id: str
    changed: Mapping[str, int]
    unclean: tuple[Path, ...] = ()
    seconds: float = field(default=0.0, compare=False)


async def rotate(settings: Settings) -> Rotation:
    """Encrypt under the current key what rests in ledger, event log and payload store. May run beside everything else.

    It may be broken off: the next call goes on with what is left.

    Raises:
        KeysInvalid: If there are no keys.
        EncryptionError: If a value cannot be decrypted; what was done by then stays done.
        LedgerError: If ledger or event log cannot be read or written.
        PayloadError: If the payload store cannot be read or written.
    """
    keys, home, began = _required(settings), Home(settings.home), time.monotonic()
    changed = Counter(await asyncio.to_thread(_rotate_databases, settings, keys))
    if count := await vault_of(settings).ask(lambda store: store.rewrap()):
        changed[CHUNKS] += count
    files = {
        home.streams_db: not settings.ledger,
        home.ledger_db: not settings.ledger,
        home.payloads_db: not settings.payloads,
    }
    ours = [path for path, is_used in files.items() if is_used and path.exists()]
    unclean = [path for path in ours if not await asyncio.to_thread(_rewritten, path)]
    return Rotation(key_id=keys.current, changed=changed, unclean=tuple(unclean), seconds=time.monotonic() - began)


async def usage(settings: Settings) -> dict[str, Counter[str]]:
    """Count what rests by the id of its key, an empty one for what is readable: by table and column, and chunks.

    Raises:
        KeysInvalid: If there are no keys.
        LedgerError: If ledger or event log cannot be read.
        PayloadError: If the payload store cannot be read.
    """
    keys = _required(settings)
    found = await asyncio.to_thread(_usage_of_databases, settings, keys)
    chunks = await vault_of(settings).ask(lambda store: store.usage())
    return found | ({CHUNKS: Counter(chunks)} if chunks else {})


def _required(settings: Settings) -> Keyring:
    keys = keyring_of(settings)
    if keys is None:
        raise KeysInvalid("OUTLIVE_KEYS is not set: nothing is encrypted. `outlive keys generate` makes a first key.")
    return keys


def _rotate_databases(settings: Settings, keys: Keyring) -> dict[str, int]:
    reseal_payload = partial(resealed, keys=keys)
    changed: dict[str, int] = {}
    try:
        if _is_there(ledger := ledger_of(settings)):
            with _disposing(open_ledger(ledger, keys)) as engine:
                changed |= reseal_ledger(engine, keys, reseal_payload)
        if _is_there(log := streams_of(settings)):
            with _disposing(open_streams(log, keys)) as engine:
                changed |= reseal_table(engine, events, keys, reseal_payload)
    except DBAPIError as error:
        raise LedgerError(f"What rests could not be encrypted anew: {error.orig}. Run it again.") from error
    return changed


def _usage_of_databases(settings: Settings, keys: Keyring) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    if _is_there(ledger := ledger_of(settings)):
        with _disposing(open_ledger(ledger, keys)) as engine:
            found |= key_usage(engine, metadata.sorted_tables)
    if _is_there(log := streams_of(settings)):
        with _disposing(open_streams(log, keys)) as engine:
            found |= key_usage(engine, [events])
    return found


def _is_there(where: Path | str) -> bool:
    """Return whether a database can be opened without making one."""
    return isinstance(where, str) or where.exists()


@contextmanager
def _disposing(engine: Engine) -> Iterator[Engine]:
    try:
        yield engine
    finally:
        engine.dispose()


def _rewritten(path: Path) -> bool:
    """Write a file anew, so that nothing of before is left in room that it does not use; False where it was busy."""
    try:
        with closing(
            sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=BUSY_TIMEOUT, isolation_level=None)
        ) as db:
            db.execute("VACUUM")
            (is_busy, *_) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    except sqlite3.Error:
        return False
    return not is_busy

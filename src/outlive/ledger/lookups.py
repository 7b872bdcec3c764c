"""Digests that rows are found by: keyed where the database has keys, so that nobody can try out what they stand for.

They are made with a secret of the database's own, which rests in the table ``meta``, encrypted under the project's
keys: it stays the same when these change, and what was recorded before is found.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable
from weakref import WeakKeyDictionary

from sqlalchemy import Connection, Dialect, Engine, select

from outlive.encryption.columns import keys_of, open_value, seal_value, use_keys
from outlive.encryption.keyring import Keyring
from outlive.errors import LedgerError
from outlive.ledger.schema import meta
from outlive.ledger.upserts import insert_missing

SECRET_NAME = "lookup_secret"  # noqa: S105 - of the row
SECRET_PLACE = f"meta.{SECRET_NAME}"
KEYED_BYTES = 24
"""Longer than any digest without a key (16 and 20 bytes): the length tells the two apart."""
_SECRETS: "WeakKeyDictionary[Dialect, bytes]" = WeakKeyDictionary()


def encrypt_from_now_on(engine: Engine, keys: Keyring | None) -> None:
    """Let a ledger be encrypted under the keys of a project.

    Raises:
        EncryptionError: If it was encrypted before, under a key that is not there.
    """
    if keys is None:
        return
    use_keys(engine, keys)
    with engine.begin() as connection:
        stored = _read(connection)
    if stored is None:
        with engine.execution_options(outlive_writes=True).begin() as connection:
            made = seal_value(keys, secrets.token_hex(32), SECRET_PLACE)
            insert_missing(connection, meta, {"name": SECRET_NAME, "value": made})
            stored = _read(connection)
    written = open_value(keys, stored, SECRET_PLACE)
    if written is None:
        raise LedgerError("The ledger did not keep the secret of its look-ups. Open it again.")
    _SECRETS[engine.dialect] = bytes.fromhex(written)


def keyed(place: Connection | Engine, digest: bytes) -> bytes:
    """Return a digest as rows hold it."""
    secret = _SECRETS.get(place.dialect)
    return digest if secret is None else hmac.digest(secret, digest, hashlib.sha256)[:KEYED_BYTES]


def stored_as(place: Connection | Engine, digests: Iterable[bytes]) -> dict[bytes, bytes]:
    """Return each digest by what rows may hold for it: as it is in those from before there was a key."""
    found = {digest: digest for digest in digests}
    if keys_of(place.dialect) is not None:
        found |= {keyed(place, digest): digest for digest in found.values()}
    return found


def _read(connection: Connection) -> str | None:
    return connection.execute(select(meta.c.value).where(meta.c.name == SECRET_NAME)).scalar()

"""Columns whose values rest encrypted, where the database was opened with keys."""

from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Dialect, Engine, LargeBinary, Text
from sqlalchemy.types import TypeDecorator

from outlive.encryption.keyring import TEXT_MAGIC, Keyring, text_key_id
from outlive.errors import KeyMissing, OutliveError

_KEYRINGS: "WeakKeyDictionary[Dialect, Keyring]" = WeakKeyDictionary()


class Sealed(TypeDecorator[str]):
    """Text that is encrypted on its way into the database, and decrypted on its way out.

    It is bound to its table and column: it cannot be read in another. What was written before there was a key is read
    as it is. Such a column cannot be searched or compared.
    """

    impl = Text
    cache_ok = True

    def __init__(self, place: str) -> None:
        """``place`` is ``table.column``, and never changes."""
        super().__init__()
        self.place = place

    def process_bind_param(self, value: Any, dialect: Dialect) -> Any:
        """Encrypt."""
        return seal_value(_KEYRINGS.get(dialect), value, self.place)

    def process_result_value(self, value: Any, dialect: Dialect) -> Any:
        """Decrypt."""
        return open_value(_KEYRINGS.get(dialect), value, self.place)


class SealedPayload(TypeDecorator[bytes]):
    """A serialised payload of Temporal, which the payload codec has encrypted before it comes here."""

    impl = LargeBinary
    cache_ok = True


def use_keys(engine: Engine, keys: Keyring | None) -> None:
    """Let the sealed columns of a database be encrypted under these keys from now on."""
    if keys is not None:
        _KEYRINGS[engine.dialect] = keys


def keys_of(dialect: Dialect) -> Keyring | None:
    """Return the keys that a database was opened with."""
    return _KEYRINGS.get(dialect)


def seal_value(keys: Keyring | None, value: str | None, place: str) -> str | None:
    """Return a value as a sealed column holds it; without keys as it is."""
    if value is None:
        return None
    if keys is not None:
        return keys.seal_text(value, place)
    return f"{TEXT_MAGIC}:{value}" if value.startswith(TEXT_MAGIC) else value  # not to be taken for ciphertext


def open_value(keys: Keyring | None, stored: str | None, place: str) -> str | None:
    """Return the value that a sealed column holds.

    Raises:
        KeyMissing: If it is encrypted, and its key is not there.
        SealBroken: If it is not what was encrypted for this column.
    """
    if stored is None or (key_id := text_key_id(stored)) is None:
        return stored
    if not key_id:
        return stored[len(TEXT_MAGIC) + 1 :]
    try:
        if keys is None:
            raise KeyMissing(key_id, known=())
        return keys.open_text(stored, place)
    except OutliveError as error:
        error.add_note(f"It was read from {place}.")
        raise

"""The keys of a project at work: one encrypts, all decrypt; and the envelope that says which one it was."""

import base64
import binascii
import logging
import threading
import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path

from outlive.encryption.cipher import Cipher
from outlive.encryption.keys import FILE, Key, read_keys
from outlive.errors import KeyMissing, KeysInvalid, SealBroken
from outlive.settings import Settings

logger = logging.getLogger(__name__)

MAGIC = b"OLE\x01"  # Outlive, encrypted, version 1
TEXT_MAGIC = "~outlive1."
LOOK_AGAIN_SECONDS = 15.0
"""How often a source is read again for an id that is not known, and a file looked at for a new first key."""


class Keyring:
    """Encrypts under the first key of a source, and decrypts under any of them.

    A key that is met and not known lets the source be read again, so that a key which is added to the file, or which
    the command prints since, reaches processes that run. May be used from any thread.
    """

    def __init__(self, source: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the keys.

        Raises:
            KeysInvalid: If they cannot be.
        """
        self._source = source
        self._clock = clock
        self._lock = threading.Lock()
        self._stamp = _stamp_of(source)
        self._looked_at = self._read_at = clock()
        self._ciphers = _ciphers(read_keys(source))

    def __repr__(self) -> str:
        return f"<Keyring {', '.join(self.key_ids)}>"

    @property
    def key_ids(self) -> tuple[str, ...]:
        """Ids of the keys, the one that encrypts first."""
        return tuple(self._ciphers)

    @property
    def current(self) -> str:
        """Id of the key that encrypts."""
        return self._current().key_id

    def seal(self, plain: bytes, place: str) -> bytes:
        """Encrypt a value.

        Args:
            place: Where it will rest. It is not stored: `open` has to be given the same.
        """
        cipher = self._current()
        header = header_of(cipher.key_id)
        return header + cipher.seal(plain, _associated(place, header))

    def open(self, sealed: bytes, place: str) -> bytes:
        """Decrypt a value.

        Raises:
            KeyMissing: If its key is not among those of this ring.
            SealBroken: If it was changed, or sealed for another place, or under other bytes of this key id.
        """
        key_id, header = read_header(sealed)
        return self._cipher(key_id).open(sealed[len(header) :], _associated(place, header))

    def seal_text(self, plain: str, place: str) -> str:
        """Encrypt a text into a text."""
        cipher = self._current()
        sealed = cipher.seal(plain.encode("utf-8", "surrogatepass"), _associated(place, header_of(cipher.key_id)))
        return f"{TEXT_MAGIC}{cipher.key_id}:{base64.b64encode(sealed).decode()}"

    def open_text(self, sealed: str, place: str) -> str:
        """Decrypt a text.

        Raises:
            KeyMissing: As `open`.
            SealBroken: As `open`.
        """
        key_id = text_key_id(sealed) or ""
        cipher = self._cipher(key_id)
        try:
            content = base64.b64decode(sealed[len(TEXT_MAGIC) + len(key_id) + 1 :], validate=True)
        except (binascii.Error, ValueError) as error:
            raise SealBroken(key_id) from error
        return cipher.open(content, _associated(place, header_of(key_id))).decode("utf-8", "surrogatepass")

    def addresses(self, digest: bytes) -> list[bytes]:
        """Return where the chunk of a digest may be: for the key that encrypts, then for each other."""
        self._current()
        return [cipher.address(digest) for cipher in self._ciphers.values()]

    def seal_chunk(self, packed: bytes, digest: bytes) -> tuple[bytes, bytes]:
        """Return where a chunk is kept, and its ciphertext: both the same each time."""
        cipher = self._current()
        header, address = header_of(cipher.key_id), cipher.address(digest)
        return address, header + cipher.seal_chunk(packed, header + address)

    def open_chunk(self, sealed: bytes, address: bytes) -> bytes:
        """Decrypt what is kept at an address.

        Raises:
            KeyMissing: As `open`.
            SealBroken: As `open`.
        """
        key_id, header = read_header(sealed)
        return self._cipher(key_id).open_chunk(sealed[len(header) :], header + address)

    def look_again(self) -> bool:
        """Read the source again, but not more often than every `LOOK_AGAIN_SECONDS`; returns whether keys changed."""
        with self._lock:
            if self._clock() - self._read_at < LOOK_AGAIN_SECONDS:
                return False
            self._read_at = self._clock()
            return self._read_again()

    def _current(self) -> Cipher:
        if self._stamp is not None and self._clock() - self._looked_at >= LOOK_AGAIN_SECONDS:
            with self._lock:
                self._looked_at = self._clock()
                stamp = _stamp_of(self._source)
                if stamp not in {None, self._stamp}:
                    self._stamp = stamp
                    self._read_again()
        return next(iter(self._ciphers.values()))

    def _cipher(self, key_id: str) -> Cipher:
        found = self._ciphers.get(key_id)
        if found is None:
            self.look_again()
            found = self._ciphers.get(key_id)  # also where another thread has just looked
        if found is None:
            raise KeyMissing(key_id, known=self.key_ids)
        return found

    def _read_again(self) -> bool:
        try:
            keys = read_keys(self._source)
        except KeysInvalid as error:  # those that are known go on being good
            logger.warning("The keys could not be read again", extra={"reason": str(error)})
            return False
        before, self._ciphers = self._ciphers, _ciphers(keys)
        return tuple(before) != tuple(self._ciphers)


@cache
def _ring(source: str) -> Keyring:
    return Keyring(source)


def keyring_of(settings: Settings) -> Keyring | None:
    """Return the keys of a project, read once for each source in a process; None where none are set.

    Raises:
        KeysInvalid: If they cannot be read.
    """
    return _ring(settings.keys) if settings.keys.strip() else None


def header_of(key_id: str) -> bytes:
    """Return what a value begins with that is sealed under a key."""
    return b"%b%c%b" % (MAGIC, len(key_id), key_id.encode())


def read_header(sealed: bytes) -> tuple[str, bytes]:
    """Return the id of the key that a value was sealed under, and the header that says so.

    Raises:
        SealBroken: If it begins with none.
    """
    ends = len(MAGIC) + 1
    if not sealed.startswith(MAGIC) or len(sealed) <= ends:
        raise SealBroken("")
    ends += sealed[len(MAGIC)]
    return sealed[len(MAGIC) + 1 : ends].decode(errors="replace"), sealed[:ends]


def text_key_id(text: str) -> str | None:
    """Return the id of the key that a text was sealed under; empty where it is escaped, None where it is clear."""
    if not text.startswith(TEXT_MAGIC):
        return None
    return text[len(TEXT_MAGIC) :].partition(":")[0]


def _ciphers(keys: Sequence[Key]) -> dict[str, Cipher]:
    return {key.key_id: Cipher(key) for key in keys}


def _associated(place: str, header: bytes) -> bytes:
    return header + place.encode()


def _stamp_of(source: str) -> tuple[int, int] | None:
    """Return when a file of keys was last changed, and its number; None for keys from elsewhere."""
    if not source.startswith(FILE):
        return None
    try:
        found = Path(source.removeprefix(FILE)).expanduser().stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino

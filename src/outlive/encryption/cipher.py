"""What one key does: three keys are derived from it, for values, for chunks and for where chunks are found.

A value gets a random nonce under a key of its process: a salt, drawn anew for each process and after `VALUES_PER_SALT`
values, stands in the envelope. So no number of processes and values comes near the point where nonces repeat.

A chunk is content-addressed and has to come out the same each time: its nonce is a keyed digest of all that is
encrypted. The same nonce then means the same content (two contents would have to share 96 bits of HMAC-SHA256), which
tells an attacker only what its address tells already: that it is the same chunk.
"""

import functools
import hashlib
import hmac
import itertools
import os

from outlive.encryption.keys import Key
from outlive.errors import SealBroken

SALT_BYTES = 16
NONCE_BYTES = 12  # what GCM takes without hashing it
TAG_BYTES = 16
VALUES_PER_SALT = 2**28
"""Random nonces of 96 bits repeat with a probability of 2**-41 among so many; NIST SP 800-38D allows 2**-32."""
SALTS_KEPT = 1_024  # derived keys in memory; one costs 5 µs to make again


class Cipher:
    """Encrypts and decrypts under one key. May be used from any thread, and after a fork."""

    def __init__(self, key: Key) -> None:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.key_id = key.key_id
        self._cipher = AESGCM
        self._values = _derived(key.secret, b"outlive/values")
        self._addresses = _derived(key.secret, b"outlive/addresses")
        self._nonces = _derived(key.secret, b"outlive/nonces")
        self._chunks = AESGCM(_derived(key.secret, b"outlive/chunks"))
        self._of_salt = functools.lru_cache(SALTS_KEPT)(lambda salt: AESGCM(_derived(self._values, salt)))
        self._counted = itertools.count()
        self._salt = os.urandom(SALT_BYTES)

    def seal(self, plain: bytes, associated: bytes) -> bytes:
        """Return salt, nonce and ciphertext of a value."""
        if next(self._counted) % VALUES_PER_SALT == 0:
            self._salt = os.urandom(SALT_BYTES)
        salt, nonce = self._salt, os.urandom(NONCE_BYTES)
        return salt + nonce + self._of_salt(salt).encrypt(nonce, plain, associated)

    def open(self, sealed: bytes, associated: bytes) -> bytes:
        """Return the value that `seal` was given.

        Raises:
            SealBroken: If it is not what was sealed, or is sealed under other bytes or for another place.
        """
        from cryptography.exceptions import InvalidTag

        begins = SALT_BYTES + NONCE_BYTES
        salt, nonce, content = sealed[:SALT_BYTES], sealed[SALT_BYTES:begins], sealed[begins:]
        if len(content) < TAG_BYTES:
            raise SealBroken(self.key_id)
        try:
            return self._of_salt(salt).decrypt(nonce, content, associated)
        except InvalidTag as error:
            raise SealBroken(self.key_id) from error

    def address(self, digest: bytes) -> bytes:
        """Return where the chunk of a digest is kept: as long as the digest, and telling nothing about it."""
        return hmac.digest(self._addresses, digest, hashlib.sha256)[: len(digest)]

    def seal_chunk(self, plain: bytes, associated: bytes) -> bytes:
        """Return nonce and ciphertext of a chunk: the same for the same content and place."""
        keyed = hmac.new(self._nonces, len(associated).to_bytes(4) + associated, hashlib.sha256)
        keyed.update(plain)
        nonce = keyed.digest()[:NONCE_BYTES]
        return nonce + self._chunks.encrypt(nonce, plain, associated)

    def open_chunk(self, sealed: bytes, associated: bytes) -> bytes:
        """Return the chunk that `seal_chunk` was given.

        Raises:
            SealBroken: As `open`.
        """
        from cryptography.exceptions import InvalidTag

        nonce, content = sealed[:NONCE_BYTES], sealed[NONCE_BYTES:]
        if len(content) < TAG_BYTES:
            raise SealBroken(self.key_id)
        try:
            return self._chunks.decrypt(nonce, content, associated)
        except InvalidTag as error:
            raise SealBroken(self.key_id) from error


def _derived(secret: bytes, purpose: bytes) -> bytes:
    """Return a key of 32 bytes: HKDF's expansion of a key that is uniformly random already."""
    return hmac.digest(secret, purpose + b"\x01", hashlib.sha256)

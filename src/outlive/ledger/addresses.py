"""When two entries stand for the same document."""

import hashlib


def uri_key(address: str, text: str | None) -> bytes:
    """Return the 16 bytes by which duplicates are found.

    Args:
        address: The address, written so that two that mean the same are equal.
        text: The text, where the entry brings its own: it is told apart by address and text.
    """
    digest = hashlib.blake2b(address.encode(errors="surrogatepass"), digest_size=16)
    if text is not None:
        digest.update(b"\0" + text.encode(errors="surrogatepass"))
    return digest.digest()

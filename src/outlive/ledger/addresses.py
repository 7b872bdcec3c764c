"""When two addresses stand for the same document."""

import hashlib
from urllib.parse import urlsplit


def uri_key(uri: str, text: str | None) -> bytes:
    """Return the 16 bytes by which duplicates are found.

    Two entries are the same document when their addresses agree after the case of scheme and host and the fragment
    are set aside. An entry that brings its text with it is told apart by address and text.
    """
    parts = urlsplit(uri) if "://" in uri else None
    if parts is not None:
        uri = parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower(), fragment="").geturl()
    digest = hashlib.blake2b(uri.encode(errors="surrogatepass"), digest_size=16)
    if text is not None:
        digest.update(b"\0" + text.encode(errors="surrogatepass"))
    return digest.digest()

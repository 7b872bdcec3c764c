"""The keys of effects."""

import hashlib


def effect_key(*parts: str) -> str:
    """Return the key under which the ledger remembers one effect.

    Args:
        parts: What makes the effect unique, from workflow id to argument digest. The run id and the attempt number are
            never among them: they change on a retry.

    Returns:
        40 hexadecimal characters, the same on every attempt and every replay.
    """
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:40]

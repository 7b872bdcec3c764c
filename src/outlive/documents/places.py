"""How addresses of object stores and databases are written; imports nothing heavy."""

import re
from typing import Final

OBJECT_URL: Final = re.compile(r"(?P<scheme>s3|gs|az)://(?P<bucket>[^/]+)(?:/(?P<key>.*))?", re.IGNORECASE | re.DOTALL)
_DATABASE: Final = re.compile(r"sql:(?P<variable>[A-Za-z_][A-Za-z0-9_]*)(?:/(?P<table>.+))?")


def is_object_url(text: str) -> bool:
    """Return whether a text is the URL of an object, a prefix or a bucket: ``s3://``, ``gs://`` or ``az://``."""
    return OBJECT_URL.fullmatch(text) is not None


def database_parts(text: str) -> tuple[str, str | None] | None:
    """Return what ``sql:VARIABLE/TABLE`` names: the environment variable, and the table where there is one.

    None for anything else. The URL of a database holds its password: it is named, never written out, so that it
    stands in no shell history, process list or ledger.
    """
    match = _DATABASE.fullmatch(text)
    return None if match is None else (match["variable"], match["table"])

"""What a source yields: one entry for each document, in order."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from outlive.contracts.outcomes import Cause

MAX_FIELD: Final = 20_000_000
"""Longest line or cell of a list, in characters. One quote that never closes must not swallow a whole file."""

SCHEME: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9+.\-]*):(?=//|/)")
"""The scheme of a URL. One letter would be a Windows drive; it is not taken for a path here either."""

_PORTS: Final = {"http": 80, "https": 443}
_UNSAFE: Final = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One document of a source, not read yet.

    Attributes:
        uri: URL or absolute path, or ``FILE#N`` where the row itself holds the text.
        text: The text itself, where the source holds it; nothing is read then.
        fields: The other columns or fields of its row; JSON values.
        cause: Set where the row itself is at fault: this cause and reason are the document's outcome.
        reason: One sentence for a person, where ``cause`` is set.
    """

    uri: str
    text: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    cause: Cause | None = None
    reason: str | None = None


def broken(uri: str, reason: str) -> Entry:
    """Return the entry of a row that cannot be used; the rows after it can."""
    return Entry(uri=uri, cause=Cause.BROKEN, reason=reason)


def is_url(text: str) -> bool:
    """Return whether a text begins like a URL, of whatever scheme."""
    return SCHEME.match(text) is not None


def is_clean(text: str) -> bool:
    """Return whether a text can be kept in JSON, CSV and SQLite: no NUL, no half of a surrogate pair."""
    return (text.isascii() and "\x00" not in text) or _UNSAFE.search(text) is None


def cleaned(value: Any) -> Any:
    """Return a JSON value whose texts, at any depth, are free of NULs and lone surrogates."""
    if isinstance(value, str):
        return value if is_clean(value) else _UNSAFE.sub("\ufffd", value)
    if isinstance(value, list):
        return [cleaned(item) for item in value]
    if isinstance(value, dict):
        return {cleaned(key): cleaned(item) for key, item in value.items()}
    return value


def address_key(uri: str) -> str:
    """Return what is equal for two ways to write one address, so that a duplicate URL is done once.

    The scheme and host in lower case, without the default port and the fragment. The query stays as it is, and a
    path is its own key.
    """
    if not is_url(uri):
        return uri
    try:
        parts = urlsplit(uri)
        port = parts.port
    except ValueError:
        return uri
    scheme = parts.scheme.lower()
    host = (parts.hostname or "").lower()
    login = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    place = host if port is None or port == _PORTS.get(scheme) else f"{host}:{port}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{scheme}://{login}{place}{parts.path or '/'}{query}"


def file_uri(path: Path) -> str:
    """Return how an absolute path is named in a batch.

    Returns:
        The path itself; a ``file:`` URL where its bytes are not text, so that nothing is lost on the way.
    """
    text = str(path)
    return text if is_clean(text) else path.as_uri()


def located(text: str, folder: Path) -> str:
    """Return the URL or absolute path that a line or cell names; relative paths are relative to ``folder``."""
    if is_url(text):
        return text
    return file_uri(folder / Path(text).expanduser() if text.startswith("~") else folder / text)

"""Event data as JSON text of a bounded size."""

import json
from typing import Any

LARGEST_DATA = 65_536
"""Bytes of one event's JSON: a reader's page of 1,000 events stays in memory, and large values rest elsewhere."""
SMALLEST_SHARE = 16


def encode(data: dict[str, Any]) -> str:
    """Return the data as JSON, shortened and marked with ``"cut": true`` where it is larger than `LARGEST_DATA`.

    Never fails: a value that is no JSON becomes its text, for an event must not break the work that it tells of.
    """
    text = _json(data)
    if not _is_small(text):
        text = _cut(json.loads(text))
    return text


def _json(data: dict[str, Any]) -> str:
    try:
        text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str)
    except (TypeError, ValueError, RecursionError):  # a key that is no text, not a number, a circle
        text = json.dumps({"text": repr(data)}, ensure_ascii=False)
    return text.encode(errors="replace").decode()  # a lone half of a surrogate pair: no database takes it


def _cut(data: dict[str, Any]) -> str:
    """Return the data with its long values shortened, each as much as the others."""
    share = LARGEST_DATA // (len(data) + 1)
    while share >= SMALLEST_SHARE:
        text = _json({"cut": True} | {name: _shortened(value, share) for name, value in data.items()})
        if _is_small(text):
            return text
        share //= 2
    return _json({"cut": True})


def _shortened(value: object, characters: int) -> object:
    """Return a value as it is where its JSON is short enough, else the beginning of its text."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return value if len(text) <= characters else f"{text[:characters]}…"


def _is_small(text: str) -> bool:
    return len(text.encode()) <= LARGEST_DATA

"""Event data as JSON text of a bounded size."""

import json
from itertools import islice
from typing import Any

LARGEST_DATA = 65_536
"""Bytes of one event's JSON: a reader's page of 1,000 events stays in memory, and large values rest elsewhere."""
FEWEST_CHARACTERS = 16


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
    """Return the data with long values shortened: objects stay objects, lists lists and texts texts."""
    characters = LARGEST_DATA // 2
    while characters >= FEWEST_CHARACTERS:
        text = _json({"cut": True} | _shortened(data, characters))
        if _is_small(text):
            return text
        characters //= 2
    return _json({"cut": True})


def _shortened(value: Any, characters: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= characters else f"{value[:characters]}…"
    if isinstance(value, list):
        return [_shortened(item, characters) for item in value[:characters]]
    if isinstance(value, dict):
        return {name: _shortened(item, characters) for name, item in islice(value.items(), characters)}
    return value


def _is_small(text: str) -> bool:
    return len(text.encode()) <= LARGEST_DATA

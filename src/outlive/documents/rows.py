"""One result as it is handed out, and how a table shows it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from outlive.documents.entries import cleaned

_NANO: Final = Decimal("1e-9")
INT64: Final = range(-(2**63), 2**63)


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultRow:
    """What a batch says of one document.

    Attributes:
        position: Place in the source, from 0.
        result: The parsed JSON value; None where the document failed.
        usd: Price of all calls for this document; None where it is not known.
        reused: Whether the answer came from an earlier batch and cost nothing.
        duplicate_of: Position of the earlier document that this one repeats.
        fields: The other columns of the document's row in the source.
    """

    position: int
    uri: str
    status: str
    result: Any = None
    cause: str | None = None
    reason: str | None = None
    model: str | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    usd: Decimal | None = None
    reused: bool = False
    duplicate_of: int | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)


def as_object(row: ResultRow) -> dict[str, Any]:
    """Return a row as the JSON object of a line, with the result as it is."""
    return {
        "position": row.position,
        "uri": row.uri,
        "status": str(row.status),
        "result": row.result,
        "cause": None if row.cause is None else str(row.cause),
        "reason": row.reason,
        "model": row.model,
        "input_tokens": row.input_tokens,
        "output_tokens": row.output_tokens,
        "usd": None if row.usd is None else float(row.usd),
        "reused": row.reused,
        "duplicate_of": row.duplicate_of,
        "fields": dict(row.fields),
    }


@dataclass(frozen=True, kw_only=True)
class Part:
    """The columns that one mapping is spread over: ``result.summary``, ``result.topics``, and ``result`` for the rest.

    Attributes:
        prefix: ``result`` or ``fields``.
        kinds: Of each name: ``bool``, ``int``, ``float`` or ``text``; a list or object is text, namely JSON.
    """

    prefix: str
    kinds: Mapping[str, str]

    def names(self) -> list[str]:
        """Return the names of the columns, the one for the rest last."""
        return [*(f"{self.prefix}.{name}" for name in self.kinds), self.prefix]

    def cells(self, value: Any) -> list[Any]:
        """Return the cells of one value. What fits no column stands as JSON text in the last: nothing is lost."""
        if not isinstance(value, Mapping):
            return [None] * len(self.kinds) + [_text(value)]
        cells, rest = [], {key: item for key, item in value.items() if key not in self.kinds}
        for name, kind in self.kinds.items():
            item = value.get(name)
            if not fits(item, kind):
                rest[name] = item
                item = None
            cells.append(_cell(item, kind))
        return [*cells, _text(rest) if rest else None]


def learn_part(prefix: str, values: Iterable[Any], names: Sequence[str] | None = None) -> Part:
    """Return the columns for the values that were seen, and for others like them.

    Args:
        names: The columns, where they are known; else the keys that were met, in the order in which they were met.
    """
    met: dict[str, list[Any]] = {name: [] for name in names or ()}
    for value in values:
        if isinstance(value, Mapping):
            for name, item in value.items():
                if names is None or name in met:
                    met.setdefault(name, []).append(item)
    return Part(prefix=prefix, kinds={name: kind_of(items) for name, items in met.items()})


def kind_of(items: Iterable[Any]) -> str:
    """Return the narrowest kind that fits all the values: ``bool``, ``int``, ``float`` or ``text``."""
    known = [item for item in items if item is not None]
    if not known:
        return "text"
    return next(kind for kind in ("bool", "int", "float", "text") if all(fits(item, kind) for item in known))


def fits(item: Any, kind: str) -> bool:
    """Return whether a value can stand in a column of a kind; None can in any."""
    if item is None or kind == "text":
        return True
    if kind == "bool":
        return isinstance(item, bool)
    whole = isinstance(item, int) and not isinstance(item, bool) and item in INT64
    return whole or (kind == "float" and isinstance(item, float))


def _cell(item: Any, kind: str) -> Any:
    if item is None:
        return None
    if kind == "float":
        return float(item)
    return _text(item) if kind == "text" else item


def _text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return None if value is None else str(cleaned(value))
    return json.dumps(cleaned(value), ensure_ascii=False, default=str)


BEFORE: Final = ("position", "uri", "status")
AFTER: Final = ("cause", "reason", "model", "input_tokens", "output_tokens", "usd", "reused", "duplicate_of")


@dataclass(frozen=True, kw_only=True)
class Table:
    """The columns of a CSV or Parquet file, fixed before its first row is written."""

    result: Part
    fields: Part

    def names(self) -> list[str]:
        """Return all columns in order."""
        return [*BEFORE, *self.result.names(), *AFTER, *self.fields.names()]

    def cells(self, row: ResultRow) -> list[Any]:
        """Return the cells of a row in the order of the columns; texts are free of NULs and lone surrogates."""
        before = [row.position, _text(row.uri), str(row.status)]
        cause = None if row.cause is None else str(row.cause)
        usd = None if row.usd is None else row.usd.quantize(_NANO)
        after = [cause, _text(row.reason), row.model, row.input_tokens, row.output_tokens, usd, row.reused]
        return [
            *before,
            *self.result.cells(row.result),
            *after,
            row.duplicate_of,
            *self.fields.cells(row.fields),
        ]


def learn_table(rows: Sequence[ResultRow], columns: Sequence[str] | None) -> Table:
    """Return the table for the rows that were seen, and for others like them."""
    return Table(
        result=learn_part("result", (row.result for row in rows), columns),
        fields=learn_part("fields", (row.fields for row in rows)),
    )

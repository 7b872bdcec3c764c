"""Deterministic answers of a pretended model: plain text, or JSON that fits a schema, both made from the prompt."""

import re
import zlib
from collections.abc import Mapping
from typing import Any

_WORD = re.compile(r"[^\W\d_]{4,}")
_LOOKED_AT = 4_000


def plain_answer(text: str) -> str:
    """Return some 200 to 300 characters that are always the same for the same text."""
    words = _words(text)
    digest = zlib.crc32(text.encode())
    picked = [words[(digest >> shift) % len(words)] for shift in range(0, 24, 2)]
    return (
        f"The text, of {len(text)} characters, is about {', '.join(picked[:6])}. It also names {', '.join(picked[6:])}."
    )


def fitting_answer(schema: Mapping[str, Any], text: str) -> Any:
    """Return a JSON value that fits the schema, always the same for the same text."""
    return _Fitting(schema, text).value(schema, 0)


def _words(text: str) -> list[str]:
    return _WORD.findall(text[:_LOOKED_AT]) or ["nothing"]


class _Fitting:
    def __init__(self, schema: Mapping[str, Any], text: str) -> None:
        self._definitions = schema.get("$defs") or schema.get("definitions") or {}
        self._text = text
        self._words = _words(text)
        self._next = zlib.crc32(text.encode())

    def value(self, schema: Mapping[str, Any], depth: int) -> Any:
        if "$ref" in schema:
            return self.value(self._definitions[schema["$ref"].rsplit("/", 1)[-1]], depth + 1)
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return schema["enum"][self._number() % len(schema["enum"])]
        for key in ("anyOf", "oneOf", "allOf"):
            if schema.get(key):
                return self.value(schema[key][0 if depth < 8 else -1], depth + 1)
        kind = schema.get("type", "object" if "properties" in schema else "string")
        kind = kind[0] if isinstance(kind, list) else kind
        makers = {"object": self._object, "array": self._array, "string": self._string}
        if kind in makers:
            return makers[kind](schema, depth)
        return {"integer": self._bounded(schema), "number": float(self._bounded(schema)), "boolean": True}.get(kind)

    def _number(self) -> int:
        self._next = (self._next * 1_103_515_245 + 12_345) % 2**31
        return self._next >> 8

    def _bounded(self, schema: Mapping[str, Any]) -> int:
        low = int(schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1))
        high = int(schema.get("maximum", schema.get("exclusiveMaximum", low + 101) - 1))
        return low + self._number() % max(1, high - low + 1)

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        return {name: self.value(part, depth + 1) for name, part in schema.get("properties", {}).items()}

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        count = max(schema.get("minItems", 0), min(3, schema.get("maxItems", 3)))
        return [self.value(schema.get("items", {}), depth + 1) for _ in range(count)]

    def _string(self, schema: Mapping[str, Any], depth: int) -> str:
        text = plain_answer(self._text) if depth <= 1 else self._words[self._number() % len(self._words)]
        return text.ljust(schema.get("minLength", 0), ".")[: schema.get("maxLength")]

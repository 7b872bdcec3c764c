"""A check of values against a raw JSON schema: the subset that providers' structured output knows.

Enforced: ``type`` (also a list of types), ``properties``, ``required``, ``additionalProperties`` (a boolean or a
schema), ``items`` (a schema), ``enum``, ``const``, ``minItems``/``maxItems``, ``uniqueItems``,
``minLength``/``maxLength``, ``pattern``, ``minimum``/``maximum``, ``exclusiveMinimum``/``exclusiveMaximum``,
``multipleOf``, ``anyOf``/``oneOf``/``allOf`` and ``$ref`` into the same schema.
Annotations (``title``, ``description``, ``default``, ``examples``, ``format`` and the like) are passed on, not
checked. Any other keyword is refused when the schema is loaded, so that nothing is promised that is not kept.
"""

import math
import re
from collections.abc import Callable, Iterator
from typing import Any

from outlive.errors import UsageError

_ANNOTATIONS = frozenset({
    "$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples",
    "example", "format", "deprecated", "readOnly", "writeOnly", "strict", "discriminator",
})  # fmt: skip
_MAX_DEPTH = 64

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: (
        not isinstance(value, bool) and (isinstance(value, int) or (isinstance(value, float) and value.is_integer()))
    ),
}

Faults = Iterator[str]


class SchemaChecker:
    """Checks values against one schema.

    Raises:
        UsageError: When it is made of a broken schema, or of one with a keyword that it does not know.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        self._root = schema
        self._check_schema(schema, "", 0)

    def faults(self, value: object) -> list[str]:
        """Return what is wrong with the value, one sentence each; empty where it fits."""
        return list(self._faults(self._root, value, "", 0))

    # -- the schema itself

    def _check_schema(self, schema: object, place: str, depth: int) -> None:
        if isinstance(schema, bool):
            return
        if not isinstance(schema, dict):
            raise UsageError(f"The JSON schema is broken at {place or '/'}: {schema!r} is not a schema.")
        if depth > _MAX_DEPTH:
            raise UsageError(f"The JSON schema is nested deeper than {_MAX_DEPTH} levels at {place}.")
        for keyword in schema:
            if keyword not in _ANNOTATIONS and keyword not in _CHECKS and keyword != "$ref":
                raise UsageError(
                    f"The JSON schema uses {keyword!r} at {place or '/'}, which Outlive cannot check. "
                    f"Supported: $ref, {', '.join(sorted(_CHECKS))}."
                )
        self._check_values(schema, place)
        for step, inner in _inner_schemas(schema):
            self._check_schema(inner, f"{place}/{step}", depth + 1)

    def _check_values(self, schema: dict[str, Any], place: str) -> None:
        kinds = schema.get("type", [])
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            if kind not in _TYPES:
                raise UsageError(f"The JSON schema has the unknown type {kind!r} at {place or '/'}.")
        if "$ref" in schema:
            self._resolved(schema["$ref"])
        required = schema.get("required", [])
        if not isinstance(required, list) or not all(isinstance(name, str) for name in required):
            raise UsageError(f"The JSON schema is broken at {place or '/'}: 'required' is not a list of names.")
        try:
            re.compile(schema.get("pattern", ""))
        except (re.error, TypeError) as error:
            raise UsageError(f"The JSON schema has a broken pattern at {place or '/'}: {error}.") from error

    def _resolved(self, reference: object) -> Any:
        target: Any = self._root
        if not isinstance(reference, str) or not reference.startswith("#"):
            raise UsageError(f"The JSON schema refers to {reference!r}. Only references into itself are supported.")
        for step in reference.removeprefix("#").strip("/").split("/"):
            name = step.replace("~1", "/").replace("~0", "~")
            if not name:
                continue
            if not isinstance(target, dict) or name not in target:
                raise UsageError(f"The JSON schema refers to {reference!r}, which it does not contain.")
            target = target[name]
        return target

    # -- a value

    def _faults(self, schema: Any, value: object, place: str, depth: int) -> Faults:
        if isinstance(schema, bool):
            if not schema:
                yield f"{place or 'the answer'}: not allowed"
            return
        if depth > _MAX_DEPTH:
            yield f"{place}: nested too deep"
            return
        if "$ref" in schema:
            yield from self._faults(self._resolved(schema["$ref"]), value, place, depth + 1)
        if "type" in schema and not _is_of_type(schema["type"], value):
            yield f"{place or 'the answer'}: not of type {schema['type']}"
            return
        for keyword, check in _CHECKS.items():
            if keyword in schema:
                yield from check(self, schema, value, place, depth)


def _is_of_type(kinds: str | list[str], value: object) -> bool:
    return any(_TYPES[kind](value) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _inner_schemas(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for keyword in ("properties", "$defs", "definitions"):
        inner = schema.get(keyword, {})
        if not isinstance(inner, dict):
            raise UsageError(f"The JSON schema is broken: {keyword!r} is not an object.")
        yield from ((f"{keyword}/{name}", part) for name, part in inner.items())
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword not in schema:
            continue
        inner = schema[keyword]
        if not isinstance(inner, list) or not inner:
            raise UsageError(f"The JSON schema is broken: {keyword!r} is not a list of schemas.")
        yield from ((f"{keyword}/{index}", part) for index, part in enumerate(inner))
    yield from ((keyword, schema[keyword]) for keyword in ("items", "additionalProperties") if keyword in schema)


def _properties(checker: SchemaChecker, schema: dict[str, Any], value: Any, place: str, depth: int) -> Faults:
    if isinstance(value, dict):
        for name, inner in schema["properties"].items():
            if name in value:
                yield from checker._faults(inner, value[name], _at(place, name), depth + 1)  # noqa: SLF001


def _required(_: SchemaChecker, schema: dict[str, Any], value: Any, place: str, __: int) -> Faults:
    if isinstance(value, dict):
        yield from (f"{_at(place, name)}: missing" for name in schema["required"] if name not in value)


def _additional(checker: SchemaChecker, schema: dict[str, Any], value: Any, place: str, depth: int) -> Faults:
    if isinstance(value, dict):
        known = schema.get("properties", {})
        for name in value.keys() - known.keys():
            yield from checker._faults(schema["additionalProperties"], value[name], _at(place, name), depth + 1)  # noqa: SLF001


def _items(checker: SchemaChecker, schema: dict[str, Any], value: Any, place: str, depth: int) -> Faults:
    if isinstance(value, list):
        for index, item in enumerate(value):
            yield from checker._faults(schema["items"], item, f"{place}[{index}]", depth + 1)  # noqa: SLF001


def _any_of(checker: SchemaChecker, schema: dict[str, Any], value: Any, place: str, depth: int) -> Faults:
    if not any(_fits(checker, inner, value, depth) for inner in schema["anyOf"]):
        yield f"{place or 'the answer'}: fits none of the alternatives"


def _one_of(checker: SchemaChecker, schema: dict[str, Any], value: Any, place: str, depth: int) -> Faults:
    count = sum(_fits(checker, inner, value, depth) for inner in schema["oneOf"])
    if count != 1:
        yield f"{place or 'the answer'}: fits {count} of the alternatives, not exactly one"


def _all_of(checker: SchemaChecker, schema: dict[str, Any], value: Any, place: str, depth: int) -> Faults:
    for inner in schema["allOf"]:
        yield from checker._faults(inner, value, place, depth + 1)  # noqa: SLF001


def _fits(checker: SchemaChecker, schema: Any, value: object, depth: int) -> bool:
    return next(checker._faults(schema, value, "", depth + 1), None) is None  # noqa: SLF001


def _plain(keyword: str, kind: str, holds: Callable[[Any, Any], bool], words: str) -> Callable[..., Faults]:
    def check(_: SchemaChecker, schema: dict[str, Any], value: Any, place: str, __: int) -> Faults:
        if (not kind or _TYPES[kind](value)) and not holds(value, schema[keyword]):
            yield f"{place or 'the answer'}: {words} {schema[keyword]!r}"

    return check


def _same(one: object, other: object) -> bool:
    return one == other and isinstance(one, bool) is isinstance(other, bool)


def _is_multiple(value: float, of: float) -> bool:
    return math.isclose(value / of, round(value / of), rel_tol=1e-9, abs_tol=1e-9)


def _at(place: str, name: str) -> str:
    return f"{place}.{name}" if place else name


_CHECKS: dict[str, Callable[..., Faults]] = {
    "type": lambda *_: iter(()),  # checked before all others
    "properties": _properties,
    "required": _required,
    "additionalProperties": _additional,
    "items": _items,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "allOf": _all_of,
    "enum": _plain("enum", "", lambda value, given: any(_same(value, item) for item in given), "not one of"),
    "const": _plain("const", "", _same, "not"),
    "minItems": _plain("minItems", "array", lambda value, given: len(value) >= given, "fewer items than"),
    "maxItems": _plain("maxItems", "array", lambda value, given: len(value) <= given, "more items than"),
    "uniqueItems": _plain(
        "uniqueItems",
        "array",
        lambda value, given: not given or len(value) == len({repr(v) for v in value}),
        "repeats:",
    ),
    "minLength": _plain("minLength", "string", lambda value, given: len(value) >= given, "shorter than"),
    "maxLength": _plain("maxLength", "string", lambda value, given: len(value) <= given, "longer than"),
    "pattern": _plain("pattern", "string", lambda value, given: bool(re.search(given, value)), "does not match"),
    "minimum": _plain("minimum", "number", lambda value, given: value >= given, "less than"),
    "maximum": _plain("maximum", "number", lambda value, given: value <= given, "greater than"),
    "exclusiveMinimum": _plain("exclusiveMinimum", "number", lambda value, given: value > given, "not greater than"),
    "exclusiveMaximum": _plain("exclusiveMaximum", "number", lambda value, given: value < given, "not less than"),
    "multipleOf": _plain("multipleOf", "number", _is_multiple, "not a multiple of"),
}

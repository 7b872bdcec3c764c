"""Arguments of tool calls, taken from a prompt without understanding it: by JSON schema, name and shape alone."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from outlive.models.extractive import telling_words

_QUOTED = re.compile(r"\"([^\"\n]+)\"|“([^”\n]+)”|«([^»\n]+)»|`([^`\n]+)`|(?<!\w)'([^'\n]+)'(?!\w)")
_NUMBER = re.compile(r"(?<![\w.,-])-?\d+(?:,\d{3})*(?:\.\d+)?(?![\w-])")
_TOKEN = re.compile(r"\S+")
_NAME_PART = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_PUNCTUATION = ".,;:!?()[]{}<>\"'“”«»`"
_PATH = re.compile(r"(?<![\w/:])(?:[\w.~-]*/[\w./~-]*[\w~-]/?|[\w-]+\.[a-z]\w{0,4}\b)")
_SHAPES = (  # by what a parameter is called, or its format: a word of another shape would be wrong for certain
    (re.compile(r"ur[il]s?$|^link"), re.compile(r"https?://[^\s<>\"']+[^\s<>\"'.,;:!?)]")),
    (re.compile(r"e_?mail"), re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
    (re.compile(r"^date$"), re.compile(r"\d{4}-\d{2}-\d{2}")),
    (re.compile(r"(^|_)(id|number|code|sku|reference)$"), re.compile(r"(?<!\w)[\w-]*\d[\w-]*")),
    (re.compile(r"path|file|folder|director"), _PATH),
)
_CHATTER = frozenset(["please", "tell", "give", "show", "know", "want", "need", "find", "look", "let", "get", "like"])
_DEPTH = 8  # a schema that refers to itself would be filled without end

MISSING = object()
"""What stands where nothing in a prompt fits; None is a value."""


def words_of_name(name: str) -> list[str]:
    """Return the words of an identifier: of ``find_order`` and of ``findOrder`` the same two."""
    return [part.lower() for part in _NAME_PART.findall(name)]


def stem(word: str) -> str:
    """Return a word without the endings in which a prompt and a tool's name mostly differ."""
    for ending in ("ies", "es", "s"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word.removesuffix(ending) + ("y" if ending == "ies" else "")
    return word


class PromptArguments:
    """What a prompt offers to the parameters of one tool call. Each quotation and each number is used once."""

    def __init__(self, prompt: str, tool_words: Iterable[str]) -> None:
        """Take a prompt apart.

        Args:
            prompt: What the user wrote.
            tool_words: Words of the tool's own name and description: they ask for the tool and are no argument.
        """
        self._prompt = prompt
        self._quotations = ["".join(groups) for groups in _QUOTED.findall(prompt)]
        plain = _QUOTED.sub(" ", prompt)
        self._numbers = [found.replace(",", "") for found in _NUMBER.findall(plain)]
        self._words = list(_remaining(plain, {stem(word) for word in tool_words}))
        self._root: Mapping[str, Any] = {}

    def fill(self, schema: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return arguments for the schema of an object; None where a required one cannot be filled."""
        self._root = schema
        filled = self._object(schema, 0)
        return filled if isinstance(filled, dict) else None

    def _value(self, name: str, schema: Any, depth: int, *, required: bool) -> Any:
        schema = self._resolved(schema)
        if depth > _DEPTH:
            return MISSING
        if "const" in schema:
            return schema["const"]
        if schema.get("enum"):
            return self._choice(schema["enum"], required=required)
        for alternatives in (schema.get("anyOf"), schema.get("oneOf"), schema.get("allOf")):
            if alternatives:
                return self._first(name, alternatives, depth, required=required)
        kinds = schema.get("type", "object" if "properties" in schema else "string")
        for kind in kinds if isinstance(kinds, list) else [kinds]:
            value = self._of_kind(str(kind), name, schema, depth, required=required)
            if value is not MISSING:
                return value
        return MISSING

    def _first(self, name: str, alternatives: Iterable[Any], depth: int, *, required: bool) -> Any:
        values = (self._value(name, one, depth + 1, required=required) for one in alternatives)
        return next((value for value in values if value is not MISSING), MISSING)

    def _of_kind(self, kind: str, name: str, schema: Mapping[str, Any], depth: int, *, required: bool) -> Any:
        if kind == "string":
            return self._string(name, schema, required=required)
        if kind in {"integer", "number"}:
            return self._number(schema, whole=kind == "integer")
        if kind == "boolean":
            return self._truth(name) if required else MISSING
        if kind == "array":
            return self._array(name, schema, depth, required=required)
        if kind == "object":
            return self._object(schema, depth) if required or schema.get("properties") else MISSING
        return None if kind == "null" and required else MISSING

    def _resolved(self, schema: Any) -> Mapping[str, Any]:
        for _ in range(_DEPTH):
            if not isinstance(schema, Mapping):
                return {}
            if "$ref" not in schema:
                return schema
            target: Any = self._root
            for name in str(schema["$ref"]).removeprefix("#").strip("/").split("/"):
                target = target.get(name, {}) if isinstance(target, Mapping) else {}
            schema = target
        return {}

    def _choice(self, values: list[Any], *, required: bool) -> Any:
        named = self._named(values)
        return named[0] if named else values[0] if required else MISSING

    def _named(self, values: Iterable[Any]) -> list[Any]:
        asked = {stem(word.lower()) for word in re.findall(r"\w+", self._prompt)}
        return [
            value
            for value in values
            if (parts := {stem(part.lower()) for part in re.findall(r"[^\W_]+", str(value))}) and parts <= asked
        ]

    def _string(self, name: str, schema: Mapping[str, Any], *, required: bool) -> Any:
        shape = _shape(name, schema)
        if shape is not None:
            found = shape.search(self._prompt)
            return found.group(0) if found else self._quotation(schema)
        quoted = self._quotation(schema)
        if quoted is not MISSING or not required:
            return quoted
        for candidate in (" ".join(self._words), *self._words):
            if candidate and _fits(candidate, schema):
                return candidate
        return MISSING

    def _quotation(self, schema: Mapping[str, Any]) -> Any:
        for place, text in enumerate(self._quotations):
            if _fits(text, schema):
                return self._quotations.pop(place)
        return MISSING

    def _number(self, schema: Mapping[str, Any], *, whole: bool) -> Any:
        for place, text in enumerate(self._numbers):
            value: int | float = float(text) if "." in text else int(text)
            if not (whole and isinstance(value, float)) and _is_within(value, schema):
                del self._numbers[place]
                return value
        return MISSING

    def _truth(self, name: str) -> bool:
        asked = {stem(word) for word in telling_words(self._prompt)}
        return any(stem(word) in asked for word in words_of_name(name))

    def _array(self, name: str, schema: Mapping[str, Any], depth: int, *, required: bool) -> Any:
        items = self._resolved(schema.get("items", {}))
        most = schema.get("maxItems", 10)
        if items.get("enum"):
            values = self._named(items["enum"]) or ([items["enum"][0]] if required else [])
        else:
            values = []
            while len(values) < most:
                value = self._value(name, items, depth + 1, required=required and not values)
                if value is MISSING or value in values:
                    break
                values.append(value)
        if not values and not required:
            return MISSING
        return MISSING if len(values) < schema.get("minItems", 0) else values[:most]

    def _object(self, schema: Mapping[str, Any], depth: int) -> Any:
        filled: dict[str, Any] = {}
        required = schema.get("required", ())
        names = sorted(schema.get("properties", {}), key=lambda name: name not in required)  # the needed ones first
        for name in names:
            value = self._value(name, schema["properties"][name], depth + 1, required=name in required)
            if value is not MISSING:
                filled[name] = value
            elif name in required:
                return MISSING
        return filled


def _remaining(text: str, tool_words: set[str]) -> Iterable[str]:
    """Yield the words of a prompt that may be an argument: names, numbers, and whatever else says something."""
    for token in _TOKEN.findall(text):
        word = token.strip(_PUNCTUATION)
        lower = word.lower()
        if not word or lower in _CHATTER or stem(lower) in tool_words:
            continue
        if telling_words(word) or any(sign.isdigit() for sign in word) or (len(word) == 2 and word.isupper()):
            yield word


def _shape(name: str, schema: Mapping[str, Any]) -> re.Pattern[str] | None:
    for called, shape in _SHAPES:
        if called.search(str(schema.get("format", ""))) or called.search("_".join(words_of_name(name))):
            return shape
    return None


def _fits(text: str, schema: Mapping[str, Any]) -> bool:
    if not schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text)):
        return False
    try:
        return re.search(schema.get("pattern", ""), text) is not None
    except re.error:
        return True  # a pattern of another dialect: the tool itself will judge


def _is_within(value: float, schema: Mapping[str, Any]) -> bool:
    return (
        schema.get("minimum", value) <= value <= schema.get("maximum", value)
        and ("exclusiveMinimum" not in schema or value > schema["exclusiveMinimum"])
        and ("exclusiveMaximum" not in schema or value < schema["exclusiveMaximum"])
    )

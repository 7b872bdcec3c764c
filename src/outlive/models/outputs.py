"""What kind of answer is wanted, prepared once: text, a Python type, or a raw JSON schema."""

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from types import NoneType
from typing import Any

from pydantic import PydanticSchemaGenerationError, PydanticUserError, TypeAdapter, ValidationError
from pydantic_core import from_json, to_json

from outlive.errors import AppError, UsageError
from outlive.models.json_schema import SchemaChecker

WRAPPED = "response"
"""Name of the one property around an answer that is not a JSON object: providers demand an object."""


class Misfit(ValueError):
    """An answer that does not fit; its text is a complaint that the model can act on."""


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Output:
    """One kind of answer. Made by `prepare_output`, once per batch; compared by identity.

    Attributes:
        name: What the schema is called at the provider.
        schema: JSON schema of an object, as the provider gets it; None for plain text.
        wrapped: Whether the schema has `WRAPPED` around the real answer.
        digest: Stands for the schema in cache keys and recipes.
    """

    name: str
    schema: dict[str, Any] | None
    wrapped: bool
    digest: str
    _read: Callable[[bytes], Any] = field(repr=False)

    @property
    def is_text(self) -> bool:
        """Whether plain text is wanted."""
        return self.schema is None

    def parse(self, text: str) -> Any:
        """Return the answer as a value of the output type: for a raw schema, of plain JSON.

        Raises:
            Misfit: The answer does not fit; the message says why, in words for the model.
        """
        if self.schema is None:
            return text
        return self._read(self._unwrapped(_without_fence(text)))

    def _unwrapped(self, text: str) -> bytes:
        if not self.wrapped:
            return text.encode("utf-8", "replace")
        try:
            value = from_json(text)
        except ValueError as error:
            raise Misfit(f"It is not valid JSON: {error}.") from error
        if not isinstance(value, dict) or WRAPPED not in value:
            raise Misfit(f"It is not a JSON object with the property {WRAPPED!r}.")
        return to_json(value[WRAPPED])


def _read_text(content: bytes) -> str:
    return content.decode()


TEXT = Output(name="text", schema=None, wrapped=False, digest="text", _read=_read_text)


def prepare_output(output_type: Any) -> Output:
    """Return what asking for this type takes.

    Args:
        output_type: None or ``str`` for plain text; a raw JSON schema as a dict; or any type that pydantic
            can validate: a model, dataclass, TypedDict, list, Literal, union and so on.

    Raises:
        AppError: pydantic has no schema for the type.
        UsageError: The raw schema is broken, or uses a keyword that is not supported.
    """
    if output_type is None or output_type is str or output_type is NoneType:
        return TEXT
    if isinstance(output_type, Output):
        return output_type
    if isinstance(output_type, Mapping):
        return _from_schema(dict(output_type))
    try:
        return _from_type(output_type)
    except TypeError:  # an unhashable type, such as Annotated with a list in it
        return _from_type.__wrapped__(output_type)


def schema_for_fields(names: Sequence[str]) -> dict[str, Any]:
    """Return the JSON schema behind ``--fields summary,topics``.

    A name that begins with ``is_`` or ``has_`` becomes a boolean, a plural name (``topics``, ``key_points``,
    ``people``) a list of strings, any other a string. All are required.

    Raises:
        UsageError: No name, a name twice, or one that is not made of letters, digits and underscores.
    """
    fields = [name.strip() for name in names]
    if not fields or not all(fields):
        raise UsageError(f"No field name in {','.join(names)!r}. Name the fields as in `--fields summary,topics`.")
    for name in fields:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,63}", name):
            raise UsageError(f"{name!r} is not a field name. Use letters, digits and underscores, as in 'key_points'.")
        if fields.count(name) > 1:
            raise UsageError(f"The field {name!r} is named twice. Name each field once.")
    return {
        "type": "object",
        "title": "Fields",
        "properties": {name: _field_schema(name) for name in fields},
        "required": fields,
        "additionalProperties": False,
    }


_SINGULAR = re.compile(r"(ss|us|is|news|series|species|means|yes|lens)$")
_PLURAL = frozenset({"people", "children", "criteria", "media", "data_points", "phenomena", "themes"})


def _field_schema(name: str) -> dict[str, Any]:
    lower = name.lower()
    if lower.startswith(("is_", "has_")):
        return {"type": "boolean"}
    last = lower.rsplit("_", maxsplit=1)[-1]
    if lower in _PLURAL or last in _PLURAL or (last.endswith("s") and len(last) > 2 and not _SINGULAR.search(last)):
        return {"type": "array", "items": {"type": "string"}}
    return {"type": "string"}


@lru_cache(maxsize=256)
def _from_type(output_type: Any) -> Output:
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(output_type)
        schema = adapter.json_schema()
    except (PydanticSchemaGenerationError, PydanticUserError) as error:
        raise AppError(
            f"No JSON schema can be made of the output type {output_type!r}: {error}. "
            "Use a pydantic model, dataclass, TypedDict, list, Literal or str."
        ) from error

    def read(content: bytes) -> Any:
        try:
            return adapter.validate_json(content)
        except ValidationError as error:
            raise Misfit(_complaint(error)) from error

    return _made(schema, getattr(output_type, "__name__", None), read)


def _from_schema(schema: dict[str, Any]) -> Output:
    checker = SchemaChecker(schema)

    def read(content: bytes) -> Any:
        try:
            value = from_json(content)
        except ValueError as error:
            raise Misfit(f"It is not valid JSON: {error}.") from error
        if faults := checker.faults(value):
            raise Misfit("\n".join(faults[:20]))
        return value

    return _made(schema, schema.get("title"), read)


def _made(schema: dict[str, Any], name: object, read: Callable[[bytes], Any]) -> Output:
    wrapped = schema.get("type") != "object" and "properties" not in schema and not _refers_to_object(schema)
    canonical = json.dumps(schema, sort_keys=True, separators=(",", ":"), default=str)
    digest = hashlib.blake2b(canonical.encode(), digest_size=16).hexdigest()
    if wrapped:
        definitions: dict[str, Any] = {key: schema[key] for key in ("$defs", "definitions") if key in schema}
        inner = {key: value for key, value in schema.items() if key not in definitions}
        schema = {"type": "object", "properties": {WRAPPED: inner}, "required": [WRAPPED], **definitions}
    label = re.sub(r"[^A-Za-z0-9_-]", "_", str(name or "answer"))[:64]
    return Output(name=label, schema=schema, wrapped=wrapped, digest=digest, _read=read)


def _refers_to_object(schema: dict[str, Any]) -> bool:
    target: object = schema
    for step in str(schema.get("$ref", "")).removeprefix("#/").split("/"):
        target = target.get(step, {}) if isinstance(target, dict) and step else {}
    return isinstance(target, dict) and target.get("type") == "object"


def _complaint(error: ValidationError) -> str:
    lines = []
    for item in error.errors(include_url=False, include_context=False, include_input=False)[:20]:
        place = ".".join(str(part) for part in item["loc"]) or "the answer"
        lines.append(f"{place}: {item['msg']}")
    return "\n".join(lines)


_FENCE = re.compile(r"\A\s*```[a-zA-Z]*\s*\n(.*?)\n?\s*```\s*\Z", re.DOTALL)


def _without_fence(text: str) -> str:
    if "```" not in text:
        return text
    match = _FENCE.match(text)
    return match.group(1) if match else text

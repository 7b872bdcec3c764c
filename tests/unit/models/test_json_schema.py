import pytest

from outlive.errors import UsageError
from outlive.models.json_schema import SchemaChecker

REFERENCE = {
    "type": "object",
    "properties": {"next": {"$ref": "#"}, "size": {"$ref": "#/$defs/size"}},
    "$defs": {"size": {"type": "integer", "minimum": 1}},
}


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "string"}, ["", "x"], [1, None, True, [], {}]),
        ({"type": "integer"}, [1, 1.0, -3], [1.5, True, "1", None]),
        ({"type": "number"}, [1, 1.5], [True, "1"]),
        ({"type": "boolean"}, [True, False], [0, 1, "true"]),
        ({"type": "null"}, [None], [0, "", False]),
        ({"type": ["string", "null"]}, ["x", None], [1]),
        ({"type": "array", "items": {"type": "string"}}, [[], ["a"]], [["a", 1], "a", {}]),
        ({"type": "object", "properties": {"a": {"type": "string"}}}, [{}, {"a": "x"}, {"b": 1}], [{"a": 1}, []]),
        ({"type": "object", "required": ["a"]}, [{"a": None}], [{}, {"b": 1}]),
        ({"properties": {"a": {}}, "additionalProperties": False}, [{"a": 1}, 5], [{"b": 1}]),
        ({"additionalProperties": {"type": "integer"}}, [{"a": 1}], [{"a": "x"}]),
        ({"enum": ["a", 1, None]}, ["a", 1, None], ["b", 2, True]),
        ({"const": 1}, [1], [2, True, "1"]),
        ({"minItems": 1, "maxItems": 2}, [[1], [1, 2], "x"], [[], [1, 2, 3]]),
        ({"uniqueItems": True}, [[1, 2]], [[1, 1]]),
        ({"minLength": 1, "maxLength": 2, "pattern": "^a"}, ["a", "ab"], ["", "abc", "b"]),
        ({"minimum": 1, "maximum": 3}, [1, 3], [0, 4]),
        ({"exclusiveMinimum": 1, "exclusiveMaximum": 3}, [2], [1, 3]),
        ({"multipleOf": 0.1}, [0.3, 7], [0.35]),
        ({"anyOf": [{"type": "string"}, {"minimum": 5}]}, ["x", 6], [4]),
        ({"oneOf": [{"minimum": 5}, {"maximum": 7}]}, [4, 8], [6]),
        ({"allOf": [{"minimum": 5}, {"maximum": 7}]}, [6], [4, 8]),
        (REFERENCE, [{}, {"next": {"size": 1}}, {"next": {"next": {}}}], [{"size": 0}, {"next": {"size": "x"}}]),
        ({"title": "T", "description": "d", "format": "date", "default": 1}, ["anything"], []),
    ],
)
def test_a_value_fits_exactly_when_the_schema_says_so(schema, good, bad):
    checker = SchemaChecker(schema)

    assert [value for value in good if checker.faults(value)] == []
    assert [value for value in bad if not checker.faults(value)] == []


def test_a_fault_names_the_place():
    checker = SchemaChecker({"properties": {"a": {"items": {"properties": {"b": {"type": "string"}}}}}})

    assert checker.faults({"a": [{"b": "x"}, {"b": 2}]}) == ["a[1].b: not of type string"]


@pytest.mark.parametrize(
    "schema",
    [
        {"not": {}},
        {"if": {}},
        {"patternProperties": {}},
        {"properties": {"a": {"contains": {}}}},
        {"type": "text"},
        {"properties": []},
        {"properties": {"a": 3}},
        {"anyOf": []},
        {"required": "a"},
        {"pattern": "("},
        {"$ref": "#/$defs/none"},
        {"$ref": "https://example.org/schema"},
    ],
)
def test_a_schema_that_cannot_be_kept_is_refused_when_it_is_loaded(schema):
    with pytest.raises(UsageError, match="JSON schema"):
        SchemaChecker(schema)

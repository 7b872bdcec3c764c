import dataclasses
import datetime as dt
import enum
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from outlive.errors import AppError, UsageError
from outlive.models.outputs import TEXT, Misfit, prepare_output, schema_for_fields


class Inner(BaseModel):
    day: dt.date


class Model(BaseModel):
    name: str
    inner: Inner | None = None


@dataclasses.dataclass
class Data:
    n: int


class Typed(TypedDict):
    n: int


class Colour(enum.StrEnum):
    RED = "red"


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (
            Model,
            '{"name": "x", "inner": {"day": "2026-01-02"}}',
            Model(name="x", inner=Inner(day=dt.date(2026, 1, 2))),
        ),
        (Data, '{"n": 1}', Data(n=1)),
        (Typed, '{"n": 1}', {"n": 1}),
        (list[str], '{"response": ["a"]}', ["a"]),
        (list[Inner], '{"response": [{"day": "2026-01-02"}]}', [Inner(day=dt.date(2026, 1, 2))]),
        (Literal["a", "b"], '{"response": "a"}', "a"),
        (Colour, '{"response": "red"}', Colour.RED),
        (bool, '{"response": true}', True),
        (int | None, '{"response": null}', None),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (Annotated[list[int], Field(max_length=2)], '{"response": [1]}', [1]),
        (Model | Data, '{"response": {"n": 2}}', Data(n=2)),
        (Model, '```json\n{"name": "fenced"}\n```', Model(name="fenced")),
        (str, "as it is", "as it is"),
        (None, "as it is", "as it is"),
    ],
)
def test_any_type_that_pydantic_knows_can_be_the_answer(kind, text, value):
    output = prepare_output(kind)

    assert output.parse(text) == value
    assert output.schema is None or output.schema["type"] == "object"


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        (Model, '{"name": 3}', "name: Input should be a valid string"),
        (Model, "no JSON", "Invalid JSON"),
        (list[int], "[1]", "'response'"),
        (list[int], "no JSON", "not valid JSON"),
        (list[int], '{"response": ["x"]}', "valid integer"),
        ({"type": "object", "required": ["a"]}, "{}", "a: missing"),
        ({"type": "object", "required": ["a"]}, "{", "not valid JSON"),
    ],
)
def test_an_answer_that_does_not_fit_says_why(kind, text, words):
    with pytest.raises(Misfit, match=words):
        prepare_output(kind).parse(text)


def test_the_same_type_is_prepared_once():
    assert prepare_output(Model) is prepare_output(Model)
    assert prepare_output(None) is prepare_output(str) is TEXT
    assert prepare_output(prepare_output(Model)) is prepare_output(Model)


def test_other_schemas_have_other_digests():
    assert len({prepare_output(kind).digest for kind in (Model, Inner, list[str], {"type": "object"}, str)}) == 5
    assert prepare_output({"type": "object", "title": "A"}).digest != prepare_output({"type": "object"}).digest


def test_a_wrapped_type_keeps_its_definitions_where_references_find_them():
    schema = prepare_output(list[Inner]).schema

    assert schema is not None
    assert schema["$defs"].keys() == {"Inner"}
    assert schema["properties"]["response"]["items"] == {"$ref": "#/$defs/Inner"}


def test_a_recursive_type_is_an_object_and_is_not_wrapped():
    class Tree(BaseModel):
        children: list["Tree"] = []

    output = prepare_output(Tree)

    assert not output.wrapped
    assert output.parse('{"children": [{"children": []}]}') == Tree(children=[Tree()])


def test_a_type_without_a_schema_is_an_error_of_the_app():
    class Opaque:
        pass

    with pytest.raises(AppError, match="Opaque"):
        prepare_output(Opaque)


def test_fields_by_name_become_strings_lists_and_booleans():
    properties = schema_for_fields(["summary", "topics", "key_points", "is_fiction", "analysis", "status", "address"])[
        "properties"
    ]

    assert {name for name, schema in properties.items() if schema["type"] == "array"} == {"topics", "key_points"}
    assert {name for name, schema in properties.items() if schema["type"] == "boolean"} == {"is_fiction"}


def test_all_fields_are_required_and_none_is_added():
    output = prepare_output(schema_for_fields(["a", " b"]))

    assert output.parse('{"a": "1", "b": "2"}') == {"a": "1", "b": "2"}
    for text in ('{"a": "1"}', '{"a": "1", "b": "2", "c": "3"}'):
        with pytest.raises(Misfit):
            output.parse(text)


@pytest.mark.parametrize("names", [[], [""], ["a", ""], ["a", "a"], ["two words"], ["1st"]])
def test_a_name_that_is_no_field_name_is_a_usage_error(names):
    with pytest.raises(UsageError):
        schema_for_fields(names)

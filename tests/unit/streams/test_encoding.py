"""Whatever an event says becomes JSON, of a bounded size."""

import json
from decimal import Decimal

import pytest

from outlive.streams.encoding import LARGEST_DATA, encode


def test_small_data_is_kept_as_it_is():
    data = {"tool": "refund", "args": {"amount": 3.5, "ids": [1, None, True]}, "text": "é\n\x00"}

    assert json.loads(encode(data)) == data


@pytest.mark.parametrize(
    "data",
    [
        {"args": {"text": "x" * 1_000_000}, "tool": "read"},
        {"text": "\x01" * 100_000, "tool": "read"},
        {"args": ["y"] * 100_000, "text": "z" * 100_000, "tool": "read"},
        {"text": "😀" * 70_000, "tool": "read"},
    ],
)
def test_large_data_is_cut_and_says_so_while_small_fields_stay(data):
    text = encode(data)
    found = json.loads(text)

    assert LARGEST_DATA / 20 < len(text.encode()) <= LARGEST_DATA
    assert found["cut"] is True
    assert found["tool"] == "read"
    assert found.keys() == data.keys() | {"cut"}


def test_what_is_cut_keeps_its_shape():
    data = {"error": {"type": "ValueError", "message": "m" * 200_000}, "ids": list(range(100_000))}

    found = json.loads(encode(data))

    assert found["error"]["type"] == "ValueError"
    assert found["error"]["message"].startswith("mmm")
    assert found["ids"][:3] == [0, 1, 2]


@pytest.mark.parametrize(
    "data",
    [
        {f"field-{number}": number for number in range(50_000)},
        {"a": [["deep" * 100] * 100] * 100},
        {"n" * 100_000: 1},
    ],
)
def test_no_shape_of_data_is_too_large_to_be_cut(data):
    text = encode(data)

    assert len(text.encode()) <= LARGEST_DATA
    assert json.loads(text)["cut"] is True


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"amount": Decimal("1.5")}, {"amount": "1.5"}),
        ({"ratio": float("nan")}, {"text": "{'ratio': nan}"}),
        ({("a", 1): 2}, {"text": "{('a', 1): 2}"}),
        ({"half": "a\ud83d"}, {"half": "a?"}),
    ],
)
def test_what_is_no_json_becomes_text(data, expected):
    assert json.loads(encode(data)) == expected

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


def test_data_of_very_many_fields_says_only_that_it_was_cut():
    assert json.loads(encode({f"field-{number}": number for number in range(50_000)})) == {"cut": True}


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

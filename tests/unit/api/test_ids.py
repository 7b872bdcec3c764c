"""Which ids callers may give: each of them has an address, in the API and in the console."""

import pytest
from pydantic import TypeAdapter, ValidationError

from outlive.api.bodies import Id

IDS = TypeAdapter(Id)


@pytest.mark.parametrize("wanted", ["order-4711", "a", ".a", "..a", "...", "a.", "a b", "%2F", "a?b#c", "ü"])
def test_ids_that_can_be(wanted):
    assert IDS.validate_python(wanted) == wanted


@pytest.mark.parametrize("wanted", ["", " ", ".", "..", "a/b", "./a", "../a", "a\n", "\x00", "x" * 201])
def test_ids_that_no_address_can_hold(wanted):
    with pytest.raises(ValidationError):
        IDS.validate_python(wanted)

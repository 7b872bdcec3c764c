"""Numbers as people read them."""

import pytest

from outlive.cli.amounts import dollars, duration, price


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (59.4, "59 s"),
        (59.6, "1 min 00 s"),
        (61, "1 min 01 s"),
        (3599, "59 min 59 s"),
        (3600, "1 h 00 min"),
        (100 * 3600 + 125, "100 h 02 min"),
    ],
)
def test_a_length_of_time_has_the_units_that_matter(seconds, text):
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("usd", "text"),
    [
        (0, "$0"),
        (0.0000004, "$4e-07"),
        (0.00012, "$0.0001"),
        (0.05, "$0.05"),
        (0.1, "$0.10"),
        (0.5, "$0.50"),
        (0.0125, "$0.0125"),
        (0.99999, "$1.00"),
        (1, "$1.00"),
        (1234.5, "$1,234.50"),
    ],
)
def test_an_amount_has_as_many_digits_as_it_takes_to_see_it(usd, text):
    assert dollars(usd * 1_000_000_000) == text


def test_an_unknown_price_is_never_left_out():
    assert price(0, 0) == "$0"
    assert price(2_500_000_000, 1_200) == "$2.50 + 1,200 documents at an unknown price"
    assert price(0, 1) == "1 document at an unknown price"

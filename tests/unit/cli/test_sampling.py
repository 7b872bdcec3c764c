"""The quote of a sample: each number with its interval, known values beside ours."""

import math

import pytest

from outlive.cli.amounts import dollars, duration
from outlive.cli.sampling import Estimate, quote, wilson
from outlive.ledger.records import DocumentResult

NANOS = 1_000_000_000


def row(position, **values):
    defaults = {
        "position": position,
        "uri": f"http://a/{position}",
        "fields": {},
        "duplicate_of": None,
        "status": "done",
        "result": '"x"',
        "cause": None,
        "reason": None,
        "model": "m",
        "input_tokens": 10,
        "output_tokens": 2,
        "usd_nanos": NANOS // 100,
        "reused": False,
        "seconds": 2.0,
    }
    return DocumentResult(**(defaults | values))


@pytest.mark.parametrize(
    ("hits", "trials", "low", "high"),
    [  # Brown, Cai, DasGupta (2001), and R's prop.test(correct=FALSE)
        (0, 20, 0.0, 0.1611),
        (1, 20, 0.0089, 0.2361),
        (10, 20, 0.2993, 0.7007),
        (20, 20, 0.8389, 1.0),
        (1, 1, 0.2065, 1.0),
    ],
)
def test_the_interval_of_a_share_is_wilsons(hits, trials, low, high):
    assert wilson(hits, trials) == pytest.approx((low, high), abs=0.0002)


def test_an_estimate_is_the_mean_with_its_normal_interval():
    estimate = Estimate.of([1.0, 2.0, 3.0, 4.0])

    assert estimate.mean == 2.5
    assert estimate.margin == pytest.approx(1.96 * 1.290994 / 2)


def test_one_value_tells_nothing_of_the_spread():
    estimate = Estimate.of([3.0])

    assert math.isinf(estimate.margin)
    assert estimate.times(10, duration) == "30 s (one document tells nothing of the spread)"


def test_an_interval_never_goes_below_nothing():
    assert Estimate(mean=1.0, margin=5.0).times(NANOS, dollars) == "$1.00 ($0 to $6.00)"


def test_the_quote_is_for_all_documents_at_the_given_concurrency():
    rows = [row(0), row(1, usd_nanos=3 * NANOS // 100, seconds=4.0), row(2, status="failed"), row(3)]

    lines = list(quote(rows, 1000, 50))

    assert lines[0] == "Sample: 4 of 1,000 documents. For all of them, with 95 % intervals:"
    assert lines[1] == "  price     $15.00 ($5.20 to $24.80)"
    assert lines[2] == "  time      50 s (30 s to 1 min 10 s) at 50 in flight"
    assert lines[3] == "  failures  25.0% (4.6% to 69.9%)"


def test_a_price_that_is_not_known_is_not_guessed():
    lines = list(quote([row(0), row(1, usd_nanos=None)], 10, 1))

    assert lines[1] == "  price     not known: the sample holds a document at an unknown price"


def test_a_sample_that_was_answered_before_says_so():
    lines = list(quote([row(0, reused=True, usd_nanos=0)], 10, 1))

    assert lines[1] == "  price     nothing for these: every answer is there from an earlier batch"
    assert not any("time" in line for line in lines)


def test_what_the_sample_did_not_reach_is_not_counted_as_a_success():
    lines = list(quote([row(0), row(1, status=None, usd_nanos=0, seconds=0.0)], 10, 1))

    assert lines[-1].startswith("  failures  0.0% (0.0% to 79.3%)")


def test_a_sample_without_any_outcome_quotes_nothing():
    assert list(quote([row(0, status=None)], 10, 1)) == ["Sample: none of 1 documents has an outcome; no quote."]

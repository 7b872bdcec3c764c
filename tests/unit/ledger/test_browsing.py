"""The documents of a batch, paged through: by position, by status and cause, by a text."""

import pytest

from outlive.contracts.outcomes import EXPLANATIONS, UNKNOWN_CAUSE, Cause, explanation_of
from outlive.errors import UsageError
from outlive.ledger import browsing
from outlive.ledger.browsing import PREVIEW_CHARACTERS, DocumentFilter, count_by
from outlive.ledger.ledger import Ledger
from outlive.ledger.records import NewDocument
from unit.ledger.conftest import done, failed, sealed, spec
from unit.ledger.test_encrypted import ONE, ring

ALL = DocumentFilter()


def positions(page):
    return [document.position for document in page.items]


def walked(ledger, record, wanted, limit):
    """All positions, page by page."""
    found, start = [], 0
    while start is not None:
        page = ledger.browsing.page(record, wanted, start=start, limit=limit)
        assert len(page.items) <= limit
        assert page.next is None or start < page.next == page.scanned_to
        found += positions(page)
        start = page.next
    return found


@pytest.fixture
async def mixed(ledger):
    """Twelve documents: done, failed of two causes, missing, and a duplicate of one that is done."""
    uris = [f"http://a/{number}" for number in range(11)]
    record = sealed(ledger, [*uris, "http://a/0"])
    window = await ledger.window("b")
    for position in (0, 3, 6):
        await window.begin(position)
        await window.record(done(position, result=f'"{position}"', model="m", usd_nanos=5, seconds=1.5))
    for position in (1, 7, 9):
        await window.record(failed(position, Cause.TIMEOUT, reason=f"Slow {position}"))
    for position in (2, 8):
        await window.record(failed(position, Cause.EMPTY, reason="Nothing"))
    return record


async def test_pages_show_all_documents_in_the_order_of_the_source(ledger, mixed):
    assert walked(ledger, mixed, ALL, 5) == list(range(12))
    first = ledger.browsing.page(mixed, ALL, limit=1).items[0]
    assert (first.status, first.result_preview, first.model, first.usd_nanos) == ("done", '"0"', "m", 5)
    assert (first.times_begun, first.seconds) == (1, 1.5)


async def test_a_duplicate_shows_the_outcome_of_its_first(ledger, mixed):
    last = ledger.browsing.page(mixed, ALL, start=11).items[0]

    assert (last.duplicate_of, last.status, last.result_preview) == (0, "done", '"0"')


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (DocumentFilter(status="done"), [0, 3, 6]),
        (DocumentFilter(status="failed"), [1, 2, 7, 8, 9]),
        (DocumentFilter(cause="timeout"), [1, 7, 9]),
        (DocumentFilter(status="failed", cause="empty"), [2, 8]),
        (DocumentFilter(status="missing"), [4, 5, 10]),
        (DocumentFilter(cause="no such cause"), []),
    ],
)
async def test_filters_find_what_fits_and_count_it(ledger, mixed, wanted, expected):
    for limit in (1, 2, 50):
        assert walked(ledger, mixed, wanted, limit) == expected
    assert ledger.browsing.count(mixed, wanted) == len(expected)
    assert count_by(ledger.batches.progress("b"), wanted) == len(expected)


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (DocumentFilter(text="A/1"), [1, 10]),
        (DocumentFilter(text="sLOW"), [1, 7, 9]),
        (DocumentFilter(text="slow 7"), [7]),
        (DocumentFilter(status="failed", text="a/1"), [1]),
        (DocumentFilter(status="missing", text="a/1"), [10]),
        (DocumentFilter(status="done", text="a/0"), [0]),
        (DocumentFilter(text="not there"), []),
    ],
)
async def test_a_search_finds_addresses_and_reasons_whatever_the_case(ledger, mixed, wanted, expected):
    for limit in (1, 50):
        assert walked(ledger, mixed, wanted, limit) == expected
    assert ledger.browsing.count(mixed, wanted) is None


async def test_what_is_missing_is_found_behind_a_long_part_without_gaps(ledger, monkeypatch):
    monkeypatch.setattr(browsing, "COUNTED_AT_ONCE", 3)
    monkeypatch.setattr(browsing, "LOOKED_AT_ONCE", 2)
    record = sealed(ledger, 9)
    window = await ledger.window("b")
    for position in (0, 1, 2, 3, 5, 7):
        await window.record(done(position) if position % 2 else failed(position))

    first = ledger.browsing.page(record, DocumentFilter(status="missing"), limit=2)

    assert positions(first) == [4, 6]
    assert walked(ledger, record, DocumentFilter(status="missing"), 2) == [4, 6, 8]


@pytest.mark.parametrize("status", ["done", "missing"])
def test_only_what_failed_has_a_cause(status):
    with pytest.raises(UsageError, match=f"that are {status} have no cause"):
        DocumentFilter(status=status, cause="timeout")


async def test_a_search_that_takes_long_says_how_far_it_came_and_goes_on_there(ledger, mixed, monkeypatch):
    monkeypatch.setattr(browsing, "LOOKED_AT_ONCE", 4)

    page = ledger.browsing.page(mixed, DocumentFilter(text="a/9"), seconds=0.0)
    rest = ledger.browsing.page(mixed, DocumentFilter(text="a/9"), start=page.next)

    assert (positions(page), page.scanned_to, page.next) == ([], 4, 4)
    assert (positions(rest), rest.scanned_to, rest.next) == ([9], 12, None)


async def test_a_search_works_where_all_is_encrypted(where):
    async with Ledger(where, keys=ring(ONE)) as ledger:
        record = sealed(ledger, ["http://a/Straße", "http://a/road"])
        window = await ledger.window("b")
        await window.record(failed(1, reason="It was TOO slow."))

        by_uri = ledger.browsing.page(record, DocumentFilter(text="STRASSE"))
        by_reason = ledger.browsing.page(record, DocumentFilter(text="too slow"))
        await window.record(done(0, result='"found"'))
        shown = ledger.browsing.page(record, DocumentFilter(status="done")).items[0]

    assert (positions(by_uri), positions(by_reason)) == ([0], [1])
    assert shown.result_preview == '"found"'


async def test_a_list_shows_the_beginning_of_a_result_and_the_document_all_of_it(ledger):
    record = sealed(ledger, 1)
    long = '"' + "x" * 5_000 + '"'
    await (await ledger.window("b")).record(done(0, result=long))

    listed = ledger.browsing.page(record, ALL).items[0]
    whole = ledger.browsing.document(record, 0)

    assert listed.result_preview == long[:PREVIEW_CHARACTERS]
    assert (listed.result, whole.result) == (None, long)


async def test_a_document_has_its_fields_and_text_and_one_that_is_not_there_is_none(ledger):
    ledger.batches.create(spec())
    ledger.batches.add_documents("b", [NewDocument(uri="rows.csv#1", text="A text", fields={"n": 1})])
    record = ledger.batches.seal("b")

    found = ledger.browsing.document(record, 0)

    assert (found.text, found.fields, found.status) == ("A text", {"n": 1}, None)
    assert ledger.browsing.document(record, 1) is None


async def test_failures_are_grouped_by_cause_the_most_frequent_first(ledger, mixed):
    groups = ledger.browsing.failures(mixed)

    assert [(group.cause, group.documents, group.first) for group in groups] == [("timeout", 3, 1), ("empty", 2, 2)]
    assert [row.reason for row in ledger.browsing.at(mixed, [1, 2])] == ["Slow 1", "Nothing"]


async def test_another_batch_is_not_looked_into(ledger, mixed):
    other = sealed(ledger, 2, "other")
    await (await ledger.window("other")).record(failed(0, reason="Slow too"))

    assert walked(ledger, other, DocumentFilter(status="failed"), 50) == [0]
    assert walked(ledger, other, DocumentFilter(text="slow"), 50) == [0]
    assert walked(ledger, mixed, DocumentFilter(text="slow too"), 50) == []


@pytest.mark.parametrize("cause", list(Cause))
def test_every_cause_is_explained(cause):
    assert EXPLANATIONS[cause].endswith(".")
    assert explanation_of(cause.value) == EXPLANATIONS[cause]


def test_a_cause_of_a_newer_outlive_is_said_to_be_one():
    assert explanation_of("eaten") == UNKNOWN_CAUSE

"""Whole batches in the ledger: loaded, counted, taken back, and read in source order."""

from itertools import islice

import pytest

from outlive.contracts.batches import ReadingOptions
from outlive.contracts.outcomes import Cause
from outlive.errors import BatchError, LedgerError
from outlive.ledger.batches import ROWS_PER_INSERT, ROWS_PER_READ
from outlive.ledger.records import BatchState, NewDocument
from unit.ledger.conftest import done, failed, sealed, spec


def add(ledger, documents, batch_id="b"):
    ledger.batches.create(spec(batch_id))
    return ledger.batches.add_documents(batch_id, documents)


def rows_of(ledger, table):
    with ledger.engine.begin() as connection:
        return connection.exec_driver_sql(f"SELECT COUNT(*) FROM {table}").scalar_one()


async def test_a_batch_is_read_as_it_was_written(ledger):
    written = spec(
        instruction="Do ½ of it.",
        output_schema={"type": "object", "properties": {"ä": {"type": "string"}}},
        reading=ReadingOptions(extract="article", max_bytes=7),
        fresh=True,
    )

    ledger.batches.create(written)

    found = ledger.batches.find("b")
    assert found.spec == written
    assert found.state is BatchState.LOADING


async def test_an_unknown_batch_is_none_or_an_error(ledger):
    assert ledger.batches.find("x") is None
    with pytest.raises(BatchError, match="Unknown batch 'x'"):
        ledger.batches.progress("x")
    with pytest.raises(BatchError, match="Unknown batch 'x'"):
        next(ledger.batches.results("x"))
    with pytest.raises(BatchError, match="Unknown batch 'x'"):
        await ledger.window("x")


async def test_an_id_is_taken_once(ledger):
    sealed(ledger, 1)

    with pytest.raises(BatchError, match="'b' exists already"):
        ledger.batches.create(spec())


async def test_the_digest_is_the_same_for_the_same_entries_only(ledger):
    entries = [NewDocument(uri=f"http://a/{number}") for number in range(ROWS_PER_INSERT + 3)]
    texts = [NewDocument(uri="rows.csv#1", text="one")]

    digest = add(ledger, entries, "one")

    assert add(ledger, iter(entries), "two") == digest
    assert add(ledger, entries[:-1], "three") != digest
    assert add(ledger, list(reversed(entries)), "four") != digest
    assert add(ledger, texts, "five") != add(ledger, [NewDocument(uri="rows.csv#1", text="two")], "six")


async def test_duplicates_stand_for_the_first_of_their_address(ledger):
    add(
        ledger,
        [
            NewDocument(uri="HTTP://A:80", address="http://a/"),
            NewDocument(uri="http://b/"),
            NewDocument(uri="http://a/#part", address="http://a/"),
            NewDocument(uri="http://a/", address="http://a/"),
        ],
    )

    record = ledger.batches.seal("b")

    assert (record.document_count, record.duplicate_count, record.unique_count) == (4, 2, 2)
    assert [row.duplicate_of for row in ledger.batches.results("b")] == [None, None, 0, 0]


async def test_a_text_of_its_own_tells_entries_of_one_name_apart(ledger):
    named = [NewDocument(uri="x", text=text) for text in ("one", "two", "one")]

    add(ledger, named)

    assert ledger.batches.seal("b").duplicate_count == 1


async def test_an_entry_that_is_at_fault_is_nobodys_duplicate(ledger):
    add(ledger, [NewDocument(uri="x", cause="broken", reason="no"), NewDocument(uri="x"), NewDocument(uri="x")])

    record = ledger.batches.seal("b")

    assert [row.duplicate_of for row in ledger.batches.results("b")] == [None, None, 1]
    assert record.unique_count == 2


async def test_an_address_that_is_no_text_of_utf_8_is_still_told_apart(ledger):
    digest = add(ledger, [NewDocument(uri="http://[", address="\udcff")])

    assert digest
    assert ledger.batches.seal("b").document_count == 1


async def test_a_batch_whose_loading_broke_off_is_begun_anew(ledger):
    add(ledger, [NewDocument(uri="x"), NewDocument(uri="y")])

    add(ledger, [NewDocument(uri="z")])

    assert [row.uri for row in ledger.batches.results("b")] == []
    assert ledger.batches.seal("b").document_count == 1
    assert rows_of(ledger, "documents") == 1


async def test_a_removed_batch_leaves_nothing_behind(ledger):
    sealed(ledger, 3, "kept")
    sealed(ledger, 3)
    window = await ledger.window("b")
    await window.begin(0)
    await window.begin(1)
    window.record_call(0, "k", "{}")
    await window.record(done(1))

    ledger.batches.remove("b")

    assert ledger.batches.ids() == ["kept"]
    assert [rows_of(ledger, name) for name in ("documents", "begun", "calls", "outcomes")] == [3, 0, 0, 0]


async def test_only_loading_that_was_broken_off_long_ago_is_removed(ledger):
    sealed(ledger, 1, "ready")
    add(ledger, [NewDocument(uri="x")], "loading")

    ledger.batches.remove_stale(3600)
    assert ledger.batches.ids() == ["ready", "loading"]

    ledger.batches.remove_stale(-1)
    assert ledger.batches.ids() == ["ready"]


async def test_sealing_may_give_the_id_for_good(ledger):
    add(ledger, [NewDocument(uri="x")], "loading-1")

    record = ledger.batches.seal("loading-1", rename_to="final")

    assert record.batch_id == record.spec.batch_id == "final"
    assert record.state is BatchState.RUNNING
    assert ledger.batches.find("loading-1") is None


async def test_ids_are_found_by_their_beginning_letter_by_letter(ledger):
    for batch_id in ("50%-1", "50x-1", "a_b-1", "axb-1"):
        sealed(ledger, 1, batch_id)

    assert ledger.batches.ids("50%") == ["50%-1"]
    assert ledger.batches.ids("a_b") == ["a_b-1"]
    assert len(ledger.batches.ids()) == 4


async def test_what_is_missing_is_counted_from_the_first_on(ledger):
    sealed(ledger, ["http://a/0", "http://a/1", "http://a/1", "http://a/3"])
    window = await ledger.window("b")
    assert ledger.batches.first_missing("b") == (3, 0)

    await window.record(done(0))
    assert ledger.batches.first_missing("b") == (2, 1)

    await window.record(done(1))
    await window.record(failed(3))
    assert ledger.batches.first_missing("b") == (0, 0)


async def test_progress_sums_what_is_known_and_counts_what_is_not(ledger):
    sealed(ledger, 6)
    window = await ledger.window("b")
    await window.record(done(0, calls=2, input_tokens=10, output_tokens=3, usd_nanos=500))
    await window.record(done(1, input_tokens=1, usd_nanos=None))
    await window.record(done(2, calls=0, reused=True))
    await window.record(failed(3, calls=1, usd_nanos=7))
    await window.record(failed(4, Cause.NOT_FOUND))

    progress = ledger.batches.progress("b")

    assert (progress.total, progress.done, progress.reused, progress.missing) == (6, 3, 1, 1)
    assert progress.failed == {"timeout": 1, "not_found": 1}
    assert (progress.calls, progress.input_tokens, progress.output_tokens) == (4, 11, 3)
    assert (progress.usd_nanos, progress.unpriced) == (507, 1)


async def test_an_empty_batch_has_progress_too(ledger):
    sealed(ledger, 2)

    progress = ledger.batches.progress("b")

    assert (progress.total, progress.missing, progress.calls, progress.usd_nanos, progress.begun_again) == (
        2,
        2,
        0,
        0,
        0,
    )


async def test_documents_begun_and_begun_again_are_counted(ledger):
    sealed(ledger, 3)
    window = await ledger.window("b")
    for position in (0, 1, 1, 1):
        await window.begin(position)
    await window.record(done(0))

    progress = ledger.batches.progress("b")

    assert (progress.begun_again, progress.in_flight) == (2, 1)


async def test_failed_documents_are_taken_back_and_their_cost_stays_counted_over_several_rounds(ledger):
    sealed(ledger, 3)
    window = await ledger.window("b")
    await window.begin(0)
    await window.record(done(0, usd_nanos=1000, input_tokens=1))
    for spent in (10, 200):
        await window.begin(1)
        await window.record(failed(1, calls=3, usd_nanos=spent, input_tokens=spent, output_tokens=2))
        ledger.batches.set_state("b", BatchState.FINISHED)

        assert ledger.batches.take_back_failed("b") == 1
        assert ledger.batches.first_missing("b") == (2, 1)
    before = ledger.batches.progress("b")
    await window.begin(1)
    await window.record(done(1, usd_nanos=5000))
    after = ledger.batches.progress("b")

    assert (before.calls, before.usd_nanos, before.input_tokens, before.output_tokens) == (7, 1210, 211, 4)
    assert (after.calls, after.usd_nanos, after.input_tokens) == (8, 6210, 211)
    assert after.begun_again == before.begun_again == 0
    assert after.failed == {}
    record = ledger.batches.find("b")
    assert (record.state, record.finished_at) == (BatchState.RUNNING, None)


async def test_where_nothing_failed_nothing_is_taken_back(ledger):
    sealed(ledger, 1)
    await (await ledger.window("b")).record(done(0))
    ledger.batches.set_state("b", BatchState.FINISHED)

    assert ledger.batches.take_back_failed("b") == 0
    assert ledger.batches.find("b").state is BatchState.FINISHED


async def test_only_deaths_count_as_deaths(ledger):
    sealed(ledger, 1)
    window = await ledger.window("b")
    for _ in range(4):
        await window.begin(0)
    await window.count_outage(0)
    window.give_back(0)
    await window.begin(0)

    document = window.pending(0, 1)[0]

    assert (document.deaths, document.outages) == (3, 1)


async def test_a_document_that_failed_without_ever_being_begun_is_taken_back_too(ledger):
    sealed(ledger, 1)
    window = await ledger.window("b")
    await window.record(failed(0, usd_nanos=3))

    assert ledger.batches.take_back_failed("b") == 1

    assert [document.deaths for document in window.pending(0, 1)] == [0]
    assert ledger.batches.progress("b").in_flight == 0


async def test_results_come_in_source_order_with_duplicates_and_failures(ledger):
    uris = ["http://a/0", "http://a/1", "http://a/0", "http://a/3"]
    sealed(ledger, uris)
    window = await ledger.window("b")
    await window.record(failed(1))
    await window.record(done(0, result='{"a": 1}', usd_nanos=None))

    rows = list(ledger.batches.results("b"))

    assert [row.position for row in rows] == [0, 1, 2, 3]
    assert [row.uri for row in rows] == uris
    assert [row.status for row in rows] == ["done", "failed", "done", None]
    assert [row.result for row in rows] == ['{"a": 1}', None, '{"a": 1}', None]
    assert [row.duplicate_of for row in rows] == [None, None, 0, None]
    assert [row.usd_nanos for row in rows] == [None, 0, None, 0]
    assert (rows[1].cause, rows[1].reason) == ("timeout", "slow")


async def test_the_fields_of_a_row_come_back_as_they_were(ledger):
    fields = {"id": 7, "nested": {"ü": [None, 1.5]}}
    add(ledger, [NewDocument(uri="x", fields=fields), NewDocument(uri="y")])
    ledger.batches.seal("b")

    assert [row.fields for row in ledger.batches.results("b")] == [fields, {}]


async def test_a_hundred_thousand_documents_are_loaded_counted_and_read_in_bounded_parts(ledger):
    count = 100_000
    sealed(ledger, count)
    first = list(islice(ledger.batches.results("b"), 3))
    missing = ledger.batches.first_missing("b")
    progress = ledger.batches.progress("b")
    total = sum(1 for _ in ledger.batches.results("b"))

    assert [row.position for row in first] == [0, 1, 2]
    assert missing == (count, 0)
    assert progress.missing == total == count > ROWS_PER_READ


async def test_what_the_database_refuses_is_a_ledger_error(ledger):
    def refuse():
        with ledger.engine.begin() as connection:
            connection.exec_driver_sql("SELECT * FROM no_such_table")

    with pytest.raises(LedgerError, match=r"no such table|does not exist"):
        await ledger.call(refuse)

"""The text of a document, shown again: kept, or read under the rules that its batch was given."""

import platform
from pathlib import Path

import pytest

from outlive import source_texts
from outlive.contracts.batches import BatchSpec, ReadingOptions
from outlive.ledger.browsing import BrowsedDocument
from outlive.source_texts import source_text
from outlive.testing.document_server import DocumentServer, generated_document


def spec(**reading: object) -> BatchSpec:
    return BatchSpec(batch_id="b", function="f", model="m", reading=ReadingOptions(**reading))


def document(uri: str, text: str | None = None) -> BrowsedDocument:
    nothing = dict.fromkeys(
        ("status", "cause", "reason", "result_preview", "model", "usd_nanos", "seconds", "recorded_at", "duplicate_of")
    )
    return BrowsedDocument(position=0, uri=uri, text=text, times_begun=0, **nothing)


async def test_a_text_that_the_batch_keeps_is_shown_as_it_is():
    found = await source_text(spec(), document("rows.csv#1", "A text"))

    assert (found.text, found.origin, found.is_cut, found.note) == ("A text", "source", False, None)


async def test_a_long_text_is_cut(monkeypatch):
    monkeypatch.setattr(source_texts, "LONGEST_TEXT", 10)

    found = await source_text(spec(), document("x", "0123456789ab"))

    assert (found.text, found.is_cut) == ("0123456789", True)


async def test_an_address_is_read_again_under_the_options_of_its_batch():
    async with DocumentServer(generated=3) as server:
        allowed = await source_text(spec(allow_private_addresses=True), document(f"{server.address}/generated/2"))
        refused = await source_text(spec(), document(f"{server.address}/generated/2"))
        asked = server.counts["/generated/2"].begun

    assert (allowed.text, allowed.origin) == (generated_document(2), "read")
    assert "changed" in (allowed.note or "")
    assert (refused.text, refused.origin) == (None, "none")
    assert "127.0.0.1" in (refused.note or "")
    assert asked == 1


async def test_an_address_that_does_not_end_is_given_up(monkeypatch):
    monkeypatch.setattr(source_texts, "READING_SECONDS", 0.3)

    async with DocumentServer(generated=1) as server:
        found = await source_text(spec(allow_private_addresses=True), document(f"{server.address}/faults/stalled/1"))

    assert found.text is None
    assert "0.3 s" in (found.note or "") or "within 0 s" in (found.note or "")


async def test_a_file_is_read_again_on_the_machine_that_has_it_and_on_no_other(tmp_path: Path):
    path = tmp_path / "one.txt"
    path.write_text("About lamps.")
    here = BatchSpec(batch_id="b", function="f", model="m", machine=platform.node())
    elsewhere = BatchSpec(batch_id="b", function="f", model="m", machine="another")

    for uri in (str(path), path.as_uri()):
        read = await source_text(here, document(uri))
        refused = await source_text(elsewhere, document(uri))

        assert (read.text, read.origin) == ("About lamps.", "read")
        assert (refused.text, refused.origin) == (None, "none")
        assert "'another'" in (refused.note or "")


@pytest.mark.parametrize(("uri", "said"), [("/no/such/file", "no file"), ("ftp://a/b", "ftp")])
async def test_what_cannot_be_read_is_said_with_its_reason(uri, said):
    found = await source_text(spec(), document(uri))

    assert found.text is None
    assert said in (found.note or "").lower()

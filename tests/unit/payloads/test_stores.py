import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from outlive.errors import PayloadError, PayloadMissing
from outlive.ledger.database import open_sqlite
from outlive.payloads import sqlite
from outlive.payloads.packing import RAW, ZLIB, pack, unpack
from outlive.payloads.store import location_of, open_store
from outlive.payloads.tree import digest_of
from outlive.settings import Settings
from unit.payloads.ages import age

TEXTS = [b"", b"short", b"long and the same " * 1_000, os.urandom(5_000)]
CONTENTS = {digest_of(text): text for text in TEXTS}
LATER = timedelta(hours=1)


async def test_what_was_put_comes_back_also_after_the_store_was_closed(store, location):
    await store.put(CONTENTS)
    again = await open_store(location)

    assert await store.get(list(CONTENTS)) == CONTENTS
    assert await again.get(list(CONTENTS)) == CONTENTS
    await again.aclose()


async def test_contents_rest_once_and_compressed(store):
    await store.put(CONTENTS)
    await store.put(CONTENTS)
    facts = await store.facts()

    assert facts.chunks == len(CONTENTS)
    assert facts.stored_bytes < 6_000


async def test_a_missing_chunk_is_named_with_what_to_do(store):
    await store.put(CONTENTS)
    missing = digest_of(b"never stored")

    with pytest.raises(PayloadMissing, match=f"{missing.hex()}.*OUTLIVE_HOME or OUTLIVE_PAYLOADS") as caught:
        await store.get([*CONTENTS, missing])

    assert caught.value.digests == [missing]


async def test_a_sweep_removes_what_is_not_kept_and_was_not_used_since(store):
    await store.put(CONTENTS)
    kept, *gone = CONTENTS

    nothing = await store.sweep(set(), unused_since=datetime.now(UTC) - LATER)
    swept = await store.sweep({kept}, unused_since=datetime.now(UTC) + LATER)

    assert (nothing.kept, nothing.removed) == (4, 0)
    assert (swept.kept, swept.removed) == (1, 3)
    assert swept.removed_bytes > 5_000
    assert await store.get([kept]) == {kept: CONTENTS[kept]}
    with pytest.raises(PayloadMissing):
        await store.get(gone)


async def test_what_is_written_again_after_a_day_counts_as_used(tmp_path: Path):
    path = tmp_path / "payloads.db"
    store = await open_store(str(path))
    await store.put(CONTENTS)
    two_days_ago = datetime.now(UTC) - timedelta(days=2)
    age(path, two_days_ago)
    fresh, *_ = CONTENTS

    await store.put({fresh: CONTENTS[fresh]})
    swept = await store.sweep(set(), unused_since=two_days_ago + LATER)

    assert swept.removed == 3
    assert await store.get([fresh])
    await store.aclose()


async def test_an_object_that_is_written_again_after_a_day_counts_as_used(tmp_path: Path):
    store = await open_store(f"file://{tmp_path}/objects")
    await store.put(CONTENTS)
    two_days_ago = datetime.now(UTC) - timedelta(days=2)
    for path in (tmp_path / "objects").rglob("*"):
        os.utime(path, (two_days_ago.timestamp(), two_days_ago.timestamp()))
    fresh, *_ = CONTENTS

    await store.put({fresh: CONTENTS[fresh]})
    swept = await store.sweep(set(), unused_since=two_days_ago + LATER)

    assert swept.removed == 3
    assert await store.get([fresh])


async def test_a_damaged_chunk_is_never_given_out(tmp_path: Path):
    path = tmp_path / "payloads.db"
    store = await open_store(str(path))
    await store.put(CONTENTS)
    engine = open_sqlite(path, sqlite.metadata, version=1)
    with engine.begin() as connection:
        connection.execute(sqlite.chunks.update().values(content=pack(b"something else")))
    engine.dispose()

    with pytest.raises(PayloadError, match="is damaged"):
        await store.get(list(CONTENTS))

    await store.aclose()


async def test_a_bucket_that_others_use_is_not_swept(tmp_path: Path):
    store = await open_store(f"file://{tmp_path}/objects")
    await store.put(CONTENTS)
    (tmp_path / "objects" / "holiday.jpg").write_bytes(b"sunset")

    with pytest.raises(PayloadError, match=r"holiday\.jpg.*of its own"):
        await store.sweep(set(), unused_since=datetime.now(UTC) + LATER)

    assert (tmp_path / "objects" / "holiday.jpg").exists()


@pytest.mark.parametrize("url", ["nonsense://bucket", "file:///proc/none/such"])
async def test_a_store_that_cannot_be_opened_is_named(url):
    with pytest.raises(PayloadError, match=f"{url}.*OUTLIVE_PAYLOADS"):
        await open_store(url)


async def test_a_file_that_is_no_payload_store_is_refused(tmp_path: Path):
    (tmp_path / "payloads.db").write_text("nothing of the kind " * 100)

    with pytest.raises(PayloadError, match="payload store"):
        await open_store(str(tmp_path / "payloads.db"))


def test_the_state_folder_is_the_store_where_no_other_is_set(tmp_path: Path):
    assert location_of(Settings(home=tmp_path)) == str(tmp_path / "payloads.db")
    assert location_of(Settings(payloads="s3://bucket/prefix")) == "s3://bucket/prefix"


@pytest.mark.parametrize("content", TEXTS)
def test_packing_never_costs_more_than_one_byte(content):
    packed = pack(content)

    assert unpack(packed) == content
    assert len(packed) <= len(content) + 1
    assert packed[:1] in {RAW, ZLIB}


def test_a_format_of_a_newer_outlive_is_refused():
    with pytest.raises(PayloadError, match="Upgrade Outlive"):
        unpack(b"\x07abc")

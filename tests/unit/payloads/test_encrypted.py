"""Chunks of a project with keys: nothing readable in the store, equal ones stored once, keys exchanged under way."""

import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from outlive.encryption.keyring import Keyring
from outlive.encryption.keys import generate_key
from outlive.errors import KeyMissing, PayloadError, PayloadMissing, SealBroken
from outlive.payloads.packing import CLEAR, Wrapping, wrapping_of
from outlive.payloads.store import ChunkStore, open_store
from outlive.payloads.tree import digest_of

CONTENTS = [b"planted word " * 30, b"short", b"", bytes(range(256)) * 9]
CHUNKS = {digest_of(content): content for content in CONTENTS}
ONE, TWO = generate_key("one"), generate_key("two")
UNDER_ONE = wrapping_of(Keyring(ONE.written()))
UNDER_TWO = wrapping_of(Keyring(f"{TWO.written()},{ONE.written()}"))
ONLY_TWO = wrapping_of(Keyring(TWO.written()))


@pytest.fixture(params=["sqlite", "files"])
async def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "payloads.db") if request.param == "sqlite" else f"file://{tmp_path / 'objects'}"


async def opened(location: str, wrapping: Wrapping, opened_stores: list[ChunkStore]) -> ChunkStore:
    store = await open_store(location, wrapping)
    opened_stores.append(store)
    return store


@pytest.fixture
async def stores(location: str):
    """Open the one place in several ways, as processes with other keys would."""
    made: list[ChunkStore] = []

    async def begin(wrapping: Wrapping) -> ChunkStore:
        return await opened(location, wrapping, made)

    yield begin
    for store in made:
        await store.aclose()


def at_rest(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def names_at_rest(folder: Path) -> str:
    return " ".join(str(path) for path in folder.rglob("*"))


async def test_chunks_are_read_again_and_not_to_be_found_at_rest(stores, tmp_path: Path):
    clear = await stores(CLEAR)
    await clear.put({digest_of(b"in the clear"): b"in the clear"})
    store = await stores(UNDER_ONE)

    await store.put(CHUNKS)

    assert await store.get(CHUNKS.keys()) == CHUNKS
    rest = at_rest(tmp_path)
    assert b"in the clear" in rest
    assert b"short" not in rest
    for digest in CHUNKS:
        assert digest not in rest
        assert digest.hex().encode() not in rest
        assert digest.hex() not in names_at_rest(tmp_path)


async def test_equal_chunks_of_two_processes_are_stored_once(stores):
    first, second = await stores(UNDER_ONE), await stores(UNDER_ONE)

    await first.put(CHUNKS)
    await second.put(CHUNKS)

    assert (await first.facts()).chunks == len(CHUNKS)


async def test_chunks_from_before_there_was_a_key_are_read(stores):
    await (await stores(CLEAR)).put(CHUNKS)

    assert await (await stores(UNDER_ONE)).get(CHUNKS.keys()) == CHUNKS


async def test_without_the_key_the_chunks_are_said_to_be_missing(stores):
    await (await stores(UNDER_ONE)).put(CHUNKS)

    for wrapping in (CLEAR, ONLY_TWO):
        with pytest.raises(PayloadMissing):
            await (await stores(wrapping)).get(CHUNKS.keys())


@pytest.mark.parametrize("before", [CLEAR, UNDER_ONE])
async def test_rewrapping_stores_all_anew_and_leaves_nothing_under_the_old_key(stores, before: Wrapping):
    await (await stores(before)).put(CHUNKS)
    store = await stores(UNDER_TWO)

    assert await store.rewrap() == len(CHUNKS)
    assert await store.rewrap() == 0

    assert (await store.facts()).chunks == len(CHUNKS)
    assert await (await stores(ONLY_TWO)).get(CHUNKS.keys()) == CHUNKS
    assert await store.usage() in ({"two": len(CHUNKS)}, None)


async def test_a_rewrap_without_the_old_key_says_so_and_removes_nothing(stores):
    old = await stores(UNDER_ONE)
    await old.put(CHUNKS)

    with pytest.raises(KeyMissing, match="'one'"):
        await (await stores(ONLY_TWO)).rewrap()

    assert await old.get(CHUNKS.keys()) == CHUNKS


async def test_a_sweep_keeps_what_is_needed_under_whichever_key_it_rests(stores):
    kept, *others = CHUNKS
    await (await stores(CLEAR)).put({others[0]: CHUNKS[others[0]]})
    await (await stores(UNDER_ONE)).put(CHUNKS)
    store = await stores(UNDER_TWO)

    swept = await store.sweep({kept, others[0]}, unused_since=datetime.now(UTC) + timedelta(days=1))

    assert swept.removed == len(CHUNKS) - 2
    assert await store.get([kept, others[0]]) == {digest: CHUNKS[digest] for digest in (kept, others[0])}


async def test_a_chunk_that_was_moved_to_another_address_is_not_read(stores, location: str):
    if "://" in location:
        pytest.skip("shown on the file of chunks")
    store = await stores(UNDER_ONE)
    one, other = list(CHUNKS)[:2]
    await store.put({digest: CHUNKS[digest] for digest in (one, other)})
    with sqlite3.connect(location) as connection:
        moved = connection.execute("SELECT content FROM chunks ORDER BY digest").fetchall()
        places = connection.execute("SELECT digest FROM chunks ORDER BY digest").fetchall()
        for (content,), (digest,) in zip(reversed(moved), places, strict=True):
            connection.execute("UPDATE chunks SET content = ? WHERE digest = ?", (content, digest))
    connection.close()

    with pytest.raises((SealBroken, PayloadError)):
        await store.get([one])


async def test_a_reader_finds_chunks_that_were_moved_under_a_key_which_it_learns_of(tmp_path: Path, stores):
    file = tmp_path.parent / f"{tmp_path.name}.keys"
    file.touch(mode=0o600)
    file.write_text(ONE.written())
    now = [0.0]
    reader = await stores(wrapping_of(Keyring(f"file:{file}", clock=lambda: now[0])))
    await reader.put(CHUNKS)
    file.write_text(f"{TWO.written()}\n{ONE.written()}\n")
    await (await stores(UNDER_TWO)).rewrap()

    now[0] += 60

    assert await reader.get(CHUNKS.keys()) == CHUNKS

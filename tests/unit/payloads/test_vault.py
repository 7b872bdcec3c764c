import asyncio
import gc
import os
import threading
import weakref

import pytest

from outlive.errors import PayloadError, PayloadMissing
from outlive.payloads import vault as vaults
from outlive.payloads.cache import KNOWN_SECONDS, BoundedCache, KnownDigests
from outlive.payloads.tree import digest_of
from outlive.payloads.vault import Vault, vault_of
from outlive.settings import Settings

SIZES = [0, 1, 65_535, 65_536, 65_537, 3_000_000]


@pytest.fixture
def vault(location: str) -> Vault:
    return Vault(location)


@pytest.mark.parametrize("size", SIZES)
async def test_a_content_of_any_size_comes_back_from_another_process(vault, location, size):
    content = os.urandom(size)

    reference = await vault.put_content(content)

    assert await vault.load_content(reference) == content
    assert await Vault(location).load_content(reference) == content


async def test_the_same_content_is_stored_once(vault):
    content = os.urandom(500_000)

    first = await vault.put_content(content)
    chunks = (await vault.ask(lambda store: store.facts())).chunks
    second = await vault.put_content(content)

    assert first == second
    assert (await vault.ask(lambda store: store.facts())).chunks == chunks == 8


async def test_what_was_added_is_there_before_it_is_stored(vault):
    vault.add(digest_of(b"soon"), b"soon")

    assert vault.holds(digest_of(b"soon"))
    assert await vault.load([digest_of(b"soon")]) == {digest_of(b"soon"): b"soon"}
    with pytest.raises(PayloadMissing):
        await vault.ask(lambda store: store.get([digest_of(b"soon")]))


async def test_many_who_flush_at_once_each_find_their_chunks_stored(vault):
    async def store_one(number):
        content = f"content {number % 20}".encode()
        vault.add(digest_of(content), content)
        await vault.flush()
        return await vault.ask(lambda store: store.get([digest_of(content)]))

    stored = await asyncio.gather(*(store_one(number) for number in range(100)))

    assert len(stored) == 100
    assert (await vault.ask(lambda store: store.facts())).chunks == 20


def test_several_event_loops_in_turn_and_at_once_share_a_vault(vault):
    content = os.urandom(100_000)
    references = []

    def in_a_loop():
        references.append(asyncio.run(vault.put_content(content)))

    in_a_loop()
    threads = [threading.Thread(target=in_a_loop) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(set(references)) == 1
    assert len(references) == 5
    assert asyncio.run(vault.load_content(references[0])) == content


def test_a_thread_without_an_event_loop_may_fetch(vault):
    reference = asyncio.run(vault.put_content(b"x" * 100_000))

    assert vault.run_now(lambda: vault.load_content(reference)) == b"x" * 100_000


async def test_a_store_that_fails_loses_nothing(tmp_path):
    folder = tmp_path / "objects"
    vault = Vault(f"file://{folder}")
    await vault.put_content(b"first")
    in_the_way = folder / digest_of(b"second").hex()[:2]
    in_the_way.write_text("no folder can be made here")
    vault.add(digest_of(b"second"), b"second")

    with pytest.raises(PayloadError, match="does not answer"):
        await vault.flush()
    in_the_way.unlink()
    await vault.flush()

    assert await Vault(f"file://{folder}").load([digest_of(b"second")])


async def test_a_store_that_cannot_be_opened_is_opened_once_it_can(tmp_path):
    (tmp_path / "state").write_text("a file where the folder is to be")
    vault = Vault(str(tmp_path / "state" / "payloads.db"))

    with pytest.raises(PayloadError, match="cannot be opened"):
        await vault.put_content(b"content")
    (tmp_path / "state").unlink()

    assert await vault.load_content(await vault.put_content(b"content")) == b"content"


async def test_a_store_that_hangs_is_reported_and_waits_on(tmp_path, monkeypatch):
    monkeypatch.setattr(vaults, "STORE_PATIENCE", 0.2)
    vault = Vault(str(tmp_path / "payloads.db"))
    await vault.put_content(b"first")
    other = (await vault.ask(_engine_of)).execution_options(outlive_writes=True)

    with other.begin():  # the file is locked, as by another process
        with pytest.raises(PayloadError, match="could not write within"):
            await vault.put_content(b"second")
        vault_is_waiting = vault.holds(digest_of(b"second"))
    monkeypatch.setattr(vaults, "STORE_PATIENCE", 60.0)
    await vault.flush()

    assert vault_is_waiting
    assert await Vault(vault.location).load([digest_of(b"second")])


async def _engine_of(store):
    return store._engine


async def test_a_cancelled_caller_does_not_cancel_what_others_wait_for(vault):
    vault.add(digest_of(b"shared"), b"shared")
    first, second = (asyncio.create_task(vault.flush()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()

    await second

    assert await vault.ask(lambda store: store.get([digest_of(b"shared")]))


def test_a_vault_is_shared_by_those_who_hold_it_and_closed_after(tmp_path):
    others = set(threading.enumerate())  # of vaults that earlier tests still hold
    vault = vault_of(Settings(home=tmp_path))
    asyncio.run(vault.put_content(b"x"))
    gone = weakref.ref(vault)
    (thread,) = (thread for thread in set(threading.enumerate()) - others if thread.name == "outlive-payloads")

    assert vault_of(Settings(home=tmp_path)) is vault
    del vault
    gc.collect()
    assert gone() is None
    thread.join(timeout=30)
    assert not thread.is_alive()


def test_a_digest_is_known_for_an_hour():
    now = [1_000.0]
    known = KnownDigests(clock=lambda: now[0])
    known.add(b"a")

    assert b"a" in known
    now[0] += KNOWN_SECONDS + 1
    assert b"a" not in known
    known.add(b"a")
    now[0] -= 10  # somebody set the clock back
    assert b"a" not in known


def test_a_cache_forgets_what_was_used_longest_ago():
    cache = BoundedCache(800)
    for number in range(8):
        cache.put(number, str(number), 100)
    cache.get(0)
    cache.put(8, "8", 100)
    cache.put(9, "too large to keep", 101)

    assert [cache.get(number) for number in (0, 1, 8, 9)] == ["0", None, "8", None]
    assert cache.pop(0) == "0"
    assert cache.get(0) is None

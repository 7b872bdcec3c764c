"""Exchanging keys: all that rests is under the new one afterwards, and what was readable no longer is."""

import asyncio
from pathlib import Path

import pytest

from outlive.contracts.events import NewEvent
from outlive.encryption.keyring import keyring_of
from outlive.encryption.keys import Key, generate_key
from outlive.errors import KeyMissing, KeysInvalid
from outlive.housekeeping.rotating import CHUNKS, rotate, usage
from outlive.ledger.ledger import Ledger
from outlive.payloads.tree import Reference
from outlive.payloads.vault import Vault, location_of
from outlive.settings import Settings
from outlive.streams.log import StreamLog
from outlive.streams.schema import streams_of
from outlive.streams.writing import StreamWriter

WORD = "PlantedRotationQzx"
CONTENT = WORD.encode() * 100
ONE, TWO = generate_key("one"), generate_key("two")


def settings_of(where: Path | str, tmp_path: Path, *keys: Key) -> Settings:
    ledger = where if isinstance(where, str) else ""
    return Settings(home=tmp_path / "state", ledger=ledger, keys=",".join(key.written() for key in keys))


def ledger_of(settings: Settings) -> Path | str:
    return settings.ledger or settings.home / "ledger.db"


async def fill(settings: Settings, turn: int) -> Reference:
    """Write the word into ledger, event log and payload store."""
    keys = keyring_of(settings)
    async with Ledger(ledger_of(settings), keys=keys) as ledger:
        await ledger.call(ledger.effects.keep_answer, "w", turn, WORD)
    async with StreamWriter(streams_of(settings), keys=keys) as writer:
        writer.append(NewEvent(stream="w", kind="note", data={"said": f"{WORD} {turn}"}))
    vault = Vault(location_of(settings), keys=keys)
    return await vault.put_content(CONTENT + bytes([turn]))


async def read(settings: Settings, turn: int, reference: Reference) -> set[str]:
    """Return what is read of what `fill` wrote; nothing is remembered from then."""
    keys = keyring_of(settings)
    async with Ledger(ledger_of(settings), keys=keys) as ledger, StreamLog(streams_of(settings), keys=keys) as log:
        answer = await ledger.call(ledger.effects.answer, "w", turn)
        events = await log.read("w")
    content = await Vault(location_of(settings), keys=keys).load_content(reference)
    assert any(event.data == {"said": f"{WORD} {turn}"} for event in events)
    return {str(answer), content.removesuffix(bytes([turn])).decode()}


def at_rest(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


async def test_after_a_rotation_the_new_key_alone_reads_everything(where, tmp_path):
    clear, first, both, last = (settings_of(where, tmp_path, *keys) for keys in ((), (ONE,), (TWO, ONE), (TWO,)))
    written = {turn: await fill(settings, turn) for turn, settings in ((1, clear), (2, first), (3, both))}

    rotation = await rotate(both)

    assert rotation.key_id == "two"
    assert {"answers.answer", "events.data", CHUNKS} <= rotation.changed.keys()
    assert all(set(count) == {"two"} for count in (await usage(last)).values())
    for turn, reference in written.items():
        assert await read(last, turn, reference) == {WORD, CONTENT.decode()}
    assert dict((await rotate(both)).changed) == {}


async def test_bytes_from_before_there_was_a_key_are_gone_from_the_files(tmp_path):
    clear, first = settings_of(tmp_path, tmp_path), settings_of(tmp_path, tmp_path, ONE)
    await fill(clear, 1)
    before = await asyncio.to_thread(at_rest, clear.home)

    rotation = await rotate(first)

    assert rotation.unclean == ()
    assert WORD.encode() in before
    assert WORD.encode() not in await asyncio.to_thread(at_rest, clear.home)


async def test_a_rotation_without_the_earlier_key_names_it_and_changes_nothing(where, tmp_path):
    first, other = settings_of(where, tmp_path, ONE), settings_of(where, tmp_path, TWO)
    reference = await fill(first, 1)

    with pytest.raises(KeyMissing, match="'one'"):
        await rotate(other)

    assert await read(first, 1, reference) == {WORD, CONTENT.decode()}


async def test_a_rotation_without_keys_says_how_to_make_one(tmp_path):
    with pytest.raises(KeysInvalid, match="outlive keys generate"):
        await rotate(settings_of(tmp_path, tmp_path))


async def test_a_rotation_goes_on_beside_processes_that_write_under_the_earlier_key_still(where, tmp_path):
    before, both = settings_of(where, tmp_path, ONE, TWO), settings_of(where, tmp_path, TWO, ONE)
    written = {turn: await fill(before, turn) for turn in range(1, 6)}

    async def go_on() -> None:
        for turn in range(6, 16):
            written[turn] = await fill(both if turn % 2 else before, turn)

    await asyncio.gather(go_on(), rotate(both))

    for turn, reference in written.items():
        assert await read(both, turn, reference) == {WORD, CONTENT.decode()}
    await rotate(both)
    assert all(set(count) == {"two"} for count in (await usage(both)).values())

from pathlib import Path

import pytest

from outlive.encryption import cipher as ciphers
from outlive.encryption.cipher import Cipher
from outlive.encryption.keyring import LOOK_AGAIN_SECONDS, Keyring, keyring_of
from outlive.encryption.keys import add_to_file, generate_key
from outlive.errors import KeyMissing, KeysInvalid, SealBroken
from outlive.payloads.tree import digest_of
from outlive.settings import Settings

ONE, TWO = generate_key("one"), generate_key("two")


def ring(*keys) -> Keyring:
    return Keyring(",".join(key.written() for key in keys))


def test_what_is_sealed_is_read_again_by_any_ring_that_has_its_key():
    sealed = ring(ONE).seal(b"a word", "here")

    assert b"a word" not in sealed
    assert ring(TWO, ONE).open(sealed, "here") == b"a word"


@pytest.mark.parametrize("text", ["", "a word", "häß \U0001f600", "broken \ud800", "\0"])
def test_texts_are_read_again(text: str):
    keys = ring(ONE)

    assert keys.open_text(keys.seal_text(text, "here"), "here") == text


def test_the_same_value_is_never_sealed_the_same_twice():
    keys = ring(ONE)

    assert len({keys.seal_text("a word", "here") for _ in range(50)}) == 50


def test_a_value_cannot_be_read_at_another_place():
    keys = ring(ONE)

    with pytest.raises(SealBroken):
        keys.open(keys.seal(b"a word", "here"), "there")


def test_a_value_that_was_changed_by_a_bit_is_not_read():
    keys = ring(ONE)
    sealed = keys.seal(b"a word", "here")

    for at in range(len(sealed)):
        changed = bytearray(sealed)
        changed[at] ^= 1
        with pytest.raises((SealBroken, KeyMissing)):
            keys.open(bytes(changed), "here")
    for length in range(len(sealed)):
        with pytest.raises((SealBroken, KeyMissing)):
            keys.open(sealed[:length], "here")


def test_a_missing_key_is_named_with_those_that_are_there():
    sealed = ring(ONE).seal_text("a word", "here")

    with pytest.raises(KeyMissing, match="'one', and OUTLIVE_KEYS has only 'two'"):
        ring(TWO).open_text(sealed, "here")


def test_other_bytes_under_the_same_id_are_told_from_a_missing_key():
    sealed = ring(ONE).seal(b"a word", "here")

    with pytest.raises(SealBroken, match="other bytes under the id 'one'"):
        ring(generate_key("one")).open(sealed, "here")


def test_the_first_key_seals():
    assert ring(TWO, ONE).current == "two"
    assert ring(TWO).open(ring(TWO, ONE).seal(b"x", "here"), "here") == b"x"


def test_equal_chunks_come_out_equal_and_other_chunks_do_not():
    keys, content = ring(ONE), b"packed"

    assert keys.seal_chunk(content, digest_of(b"x")) == ring(ONE).seal_chunk(content, digest_of(b"x"))
    assert keys.seal_chunk(content, digest_of(b"x")) != keys.seal_chunk(content, digest_of(b"y"))


def test_no_nonce_is_used_for_two_contents_at_one_address():
    """Another version of the compressor may pack the same content in other bytes."""
    cipher = Cipher(ONE)

    assert cipher.seal_chunk(b"one way", b"at")[:12] != cipher.seal_chunk(b"another", b"at")[:12]


def test_the_address_of_a_chunk_tells_nothing_about_its_digest():
    digest = digest_of(b"a word")
    address, sealed = ring(ONE).seal_chunk(b"packed", digest)

    assert len(address) == len(digest)
    assert address != digest
    assert ring(TWO).seal_chunk(b"packed", digest)[0] != address
    assert ring(ONE).open_chunk(sealed, address) == b"packed"
    with pytest.raises(SealBroken):
        ring(ONE).open_chunk(sealed, digest)


def test_a_salt_is_drawn_anew_before_its_nonces_could_repeat(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ciphers, "VALUES_PER_SALT", 10)
    cipher = Cipher(ONE)

    salts = [cipher.seal(b"", b"")[:16] for _ in range(25)]

    assert len(set(salts)) == 3
    assert max(map(salts.count, salts)) == 10


def test_a_key_that_is_added_to_the_file_reaches_a_ring_that_meets_it(tmp_path: Path):
    path, now = tmp_path / "keys", [0.0]
    add_to_file(path, ONE)
    keys = Keyring(f"file:{path}", clock=lambda: now[0])
    add_to_file(path, TWO)
    sealed = ring(TWO).seal(b"a word", "here")

    with pytest.raises(KeyMissing):  # it has looked a moment ago
        keys.open(sealed, "here")
    now[0] += LOOK_AGAIN_SECONDS

    assert keys.open(sealed, "here") == b"a word"


def test_a_key_that_another_thread_has_just_looked_up_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path, now = tmp_path / "keys", [0.0]
    add_to_file(path, ONE)
    keys = Keyring(f"file:{path}", clock=lambda: now[0])
    add_to_file(path, TWO)
    now[0] += LOOK_AGAIN_SECONDS

    def another_was_quicker() -> bool:
        assert Keyring.look_again(keys)
        return Keyring.look_again(keys)

    monkeypatch.setattr(keys, "look_again", another_was_quicker)

    assert keys.open(ring(TWO).seal(b"a word", "here"), "here") == b"a word"


def test_a_ring_writes_under_a_new_first_key_of_its_file_soon(tmp_path: Path):
    path, now = tmp_path / "keys", [0.0]
    add_to_file(path, ONE)
    keys = Keyring(f"file:{path}", clock=lambda: now[0])
    assert keys.current == "one"
    add_to_file(path, TWO)

    now[0] += LOOK_AGAIN_SECONDS

    assert keys.current == "two"


def test_a_file_that_becomes_unreadable_leaves_the_keys_that_are_known(tmp_path: Path):
    path, now = tmp_path / "keys", [0.0]
    add_to_file(path, ONE)
    keys = Keyring(f"file:{path}", clock=lambda: now[0])
    path.chmod(0o644)
    path.write_text("nothing")

    now[0] += 2 * LOOK_AGAIN_SECONDS

    assert keys.current == "one"
    assert not keys.look_again()


def test_settings_without_keys_have_no_ring_and_wrong_ones_say_so():
    assert keyring_of(Settings()) is None
    assert keyring_of(Settings(keys=ONE.written())) is keyring_of(Settings(keys=ONE.written()))
    with pytest.raises(KeysInvalid):
        keyring_of(Settings(keys="nonsense"))


def test_a_ring_shows_ids_alone():
    assert repr(ring(ONE, TWO)) == "<Keyring one, two>"

import base64
import sys
from pathlib import Path

import pytest

from outlive.encryption.keys import add_to_file, generate_key, parse_keys, read_keys
from outlive.errors import KeysInvalid
from outlive.settings import Settings

SECRET = base64.urlsafe_b64encode(bytes(range(32))).decode()


def test_keys_are_read_from_lines_and_commas_the_first_one_first():
    keys = parse_keys(f"# for writing\nnew:{SECRET}\n\nold:{SECRET.rstrip('=')},older:{SECRET}\n")

    assert [key.key_id for key in keys] == ["new", "old", "older"]
    assert {key.secret for key in keys} == {bytes(range(32))}


def test_a_generated_key_is_read_again():
    key = generate_key("mine")

    assert parse_keys(key.written()) == (key,)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no key"),
        ("# nothing", "no key"),
        (SECRET, "number 1"),
        (f"a b:{SECRET}", "number 1"),
        (f"ok:{SECRET},{SECRET}", "number 2"),
        ("short:" + base64.b64encode(b"x" * 16).decode(), "16 bytes"),
        ("odd:%%%%not*base64%%%", "no base64"),
        (f"a:{SECRET},a:{SECRET}", "more than one key 'a'"),
    ],
)
def test_what_is_no_key_is_named_by_its_number_or_id_and_never_shown(text, said):
    with pytest.raises(KeysInvalid) as caught:
        parse_keys(text)

    assert said in str(caught.value)
    shown = f"{caught.value!r} {caught.value.__cause__!r}"
    assert not any(part in shown for part in (SECRET[:10], "not*base64", base64.b64encode(b"x" * 16).decode()[:10]))


def test_a_file_of_keys_that_others_may_read_is_refused(tmp_path: Path):
    path = tmp_path / "keys"
    path.write_text(f"k:{SECRET}")
    path.chmod(0o640)

    with pytest.raises(KeysInvalid, match=r"0640.*chmod 600"):
        read_keys(f"file:{path}")

    path.chmod(0o600)
    assert read_keys(f"file:{path}")[0].key_id == "k"


def test_a_file_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(KeysInvalid, match=r"absent.*No such file"):
        read_keys(f"file:{tmp_path / 'absent'}")


def test_a_command_prints_the_keys():
    assert read_keys(f"command:{sys.executable} -c \"print('k:{SECRET}')\"")[0].key_id == "k"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("", "names no command"),
        ("/no/such/program", "cannot be run"),
        ("'unclosed", "cannot be read"),
        (f"{sys.executable} -c \"print('k:{SECRET}'); raise SystemExit(3)\"", "status 3"),
        (f'{sys.executable} -c "import sys; sys.stdout.buffer.write(bytes([255]))"', "no text"),
    ],
)
def test_a_command_that_does_not_help_is_named_without_what_it_printed(command: str, said: str):
    with pytest.raises(KeysInvalid, match=said) as caught:
        read_keys(f"command:{command}")

    assert SECRET not in str(caught.value)


def test_a_key_is_put_first_into_a_file_that_only_its_owner_reads(tmp_path: Path):
    path = tmp_path / "keys"
    add_to_file(path, generate_key("one"))

    add_to_file(path, generate_key("two"))

    assert [key.key_id for key in read_keys(f"file:{path}")] == ["two", "one"]
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(KeysInvalid, match="has a key 'one'"):
        add_to_file(path, generate_key("one"))


def test_neither_keys_nor_settings_show_their_secrets():
    key = generate_key("k")
    settings = Settings(keys=key.written(), desk_key="desk-secret", ledger="postgresql://u:pass-word@h/d")

    shown = f"{key!r} {settings!r} {settings}"

    assert key.written().partition(":")[2] not in shown
    assert "desk-secret" not in shown
    assert "pass-word" not in shown
    assert repr(key.secret) not in shown

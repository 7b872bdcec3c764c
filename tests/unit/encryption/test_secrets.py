"""Secrets that are set stay where they were set: not in `repr`, not in messages."""

import logging
import pickle
import traceback

import pytest

from outlive.encryption.keyring import Keyring
from outlive.encryption.keys import generate_key, parse_keys, read_keys
from outlive.engine.binary import engine_environment
from outlive.errors import OutliveError
from outlive.ledger.ledger import Ledger
from outlive.settings import PREFIX, Settings
from outlive.streams.log import StreamLog
from outlive.streams.schema import name_of

KEY = generate_key("k1")
WRITTEN = KEY.written()
SECRET = WRITTEN.partition(":")[2]
PASSWORD = "PlantedPasswordQzx"
URL = f"postgresql://user:{PASSWORD}@127.0.0.1:1/nowhere"
FORMS = (PASSWORD, SECRET, SECRET[:12], KEY.secret.hex(), repr(KEY.secret), "PlantedTokenQzx", "PlantedDeskQzx")
ENVIRON = {
    "OUTLIVE_KEYS": WRITTEN,
    "OUTLIVE_LEDGER": URL,
    "OUTLIVE_CODEC_TOKEN": "PlantedTokenQzx",
    "OUTLIVE_DESK_KEY": "PlantedDeskQzx",
}


def shows_none(*texts: str) -> bool:
    return not any(form in text for text in texts for form in FORMS)


def test_settings_show_none_of_their_secrets():
    settings = Settings.load(ENVIRON)

    assert shows_none(repr(settings), str(settings), f"{settings!s}")


def test_keys_and_rings_show_only_ids():
    ring = Keyring(WRITTEN)

    assert "k1" in repr(ring)
    assert "k1" in repr(KEY)
    assert shows_none(repr(ring), repr(KEY), repr(parse_keys(WRITTEN)))


@pytest.mark.parametrize(
    "wrong",
    [
        f"{WRITTEN},{WRITTEN}",
        f"{WRITTEN}x",
        f"{WRITTEN[:-6]}",
        f"k1:{SECRET}!",
        f"{SECRET}",
        f"k 1:{SECRET}",
        f"command:sh -c 'echo {WRITTEN} >&2; exit 3'",
        f"command:printf %s {WRITTEN}x",
    ],
    ids=range(8),  # its values are made anew by each process
)
def test_no_message_about_keys_holds_a_part_of_one(wrong):
    with pytest.raises(OutliveError) as caught:
        read_keys(wrong)

    assert shows_none(str(caught.value), "".join(traceback.format_exception(caught.value)).partition("Error:")[2])


@pytest.mark.parametrize("name", ["OUTLIVE_KEY", "OUTLIVE_LEGDER"])
def test_a_setting_that_is_misspelt_is_named_without_its_value(name):
    with pytest.raises(OutliveError, match=name) as caught:
        Settings.load({name: f"{WRITTEN} {URL}"})

    assert shows_none(str(caught.value))


async def test_a_database_that_cannot_be_reached_is_named_without_its_password(caplog, monkeypatch):
    monkeypatch.setattr("outlive.ledger.ledger.patience", lambda: 0.0)
    monkeypatch.setattr("outlive.streams.log.PATIENCE_SECONDS", 0.0)
    caplog.set_level(logging.DEBUG)

    said = []
    with pytest.raises(OutliveError) as caught:
        async with Ledger(URL):
            pass
    said.append("".join(traceback.format_exception(caught.value)))
    async with StreamLog(URL) as log:
        with pytest.raises(OutliveError) as caught:
            await log.read("any")
    said.append("".join(traceback.format_exception(caught.value)))

    assert "127.0.0.1" in name_of(URL)
    assert shows_none(name_of(URL), *said, caplog.text)


def test_the_engine_is_not_told_the_secrets_of_the_project(monkeypatch):
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)

    given = engine_environment()

    assert not [name for name in given if name.startswith(PREFIX)]
    assert shows_none(*given.values())


def test_errors_about_keys_cross_processes():
    sealed = Keyring(WRITTEN).seal(b"x", "here")
    with pytest.raises(OutliveError) as caught:
        Keyring(generate_key("k2").written()).open(sealed, "here")

    copied = pickle.loads(pickle.dumps(caught.value))

    assert str(copied) == str(caught.value)
    assert shows_none(str(copied))

"""Settings: each is read once, checked when read, and named in full when it is wrong."""

from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest

from outlive.errors import SettingError, UsageError
from outlive.settings import PREFIX, Settings, described


def test_an_empty_environment_gives_the_defaults():
    assert Settings.load({}) == Settings()


def test_each_value_gets_the_type_of_its_setting():
    settings = Settings.load(
        {
            "OUTLIVE_HOME": "/srv/x",
            "OUTLIVE_PORT": "7300",
            "OUTLIVE_OFFLINE_LATENCY": "0.25",
            "OUTLIVE_ALLOW_PRIVATE_ADDRESSES": "Yes",
            "OUTLIVE_TASK_QUEUE": "night",
        }
    )

    assert settings == Settings(
        home=Path("/srv/x"), port=7300, offline_latency=0.25, allow_private_addresses=True, task_queue="night"
    )


def test_the_environment_of_others_is_not_looked_at():
    assert Settings.load({"PATH": "/bin", "TEMPORAL_ADDRESS": "x:1", "_OUTLIVE_X": "1"}) == Settings()


def test_an_unknown_setting_is_refused_with_the_valid_ones():
    with pytest.raises(SettingError, match=r"Unknown setting 'OUTLIVE_DRAIN_TIMOUT'.*OUTLIVE_DRAIN_TIMEOUT"):
        Settings.load({"OUTLIVE_DRAIN_TIMOUT": "5"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "seven"),
        ("PORT", ""),
        ("PORT", "-1"),
        ("PORT", "65536"),
        ("PORT", "7233.5"),
        ("UI_PORT", "-7"),
        ("RETENTION_DAYS", "0"),
        ("DRAIN_TIMEOUT", "-0.1"),
        ("DRAIN_TIMEOUT", "nan"),
        ("DRAIN_TIMEOUT", "inf"),
        ("MODEL_TIMEOUT", "0"),
        ("MODEL_ATTEMPTS", "0"),
        ("ANSWER_ATTEMPTS", "-3"),
        ("CONTEXT_TOKENS", "0"),
        ("OFFLINE_LATENCY", "-1"),
        ("SYNCHRONOUS", "off"),
        ("ALLOW_PRIVATE_ADDRESSES", "maybe"),
        ("TASK_QUEUE", " "),
    ],
)
def test_a_value_that_a_setting_cannot_take_is_refused_by_name(name, value):
    with pytest.raises(SettingError, match=f"OUTLIVE_{name} is"):
        Settings.load({PREFIX + name: value})


@pytest.mark.parametrize("text", ["0", "false", "No", "off", ""])
def test_a_switch_can_be_turned_off_in_words(text):
    assert Settings.load({"OUTLIVE_ALLOW_PRIVATE_ADDRESSES": text}).allow_private_addresses is False


def test_a_wrong_setting_is_a_mistake_of_the_user():
    assert issubclass(SettingError, UsageError)


@pytest.mark.parametrize("setting", [item.name for item in fields(Settings)])
def test_every_setting_says_in_a_sentence_what_it_does(setting):
    _, help_text = get_args(described()[setting])

    assert help_text.endswith(".")

import os
import stat
import sys
from pathlib import Path

import pytest

from engines import is_running
from outlive.engine.home import EngineState, Home
from outlive.errors import EngineFailed, EngineOwned

pytestmark = pytest.mark.embedded

STATE = EngineState(
    address="127.0.0.1:1",
    ui_address="http://127.0.0.1:2",
    http_address="127.0.0.1:3",
    metrics_address="http://127.0.0.1:4/metrics",
    engine_pid=5,
    owner_pid=6,
    server_version="1.32.0",
    cli_version="1.9.1",
)


async def test_a_second_owner_is_refused_and_told_who_the_first_is(tmp_path):
    home = Home(tmp_path / ".outlive")
    async with home.own():
        with pytest.raises(EngineOwned) as refused:
            async with home.own():
                pass

    assert str(os.getpid()) in str(refused.value)
    assert Path(sys.argv[0]).name in str(refused.value)
    assert "OUTLIVE_HOME" in str(refused.value)


async def test_owners_that_share_shut_out_one_that_does_not(tmp_path):
    home = Home(tmp_path / ".outlive")
    async with home.own(shared=True), home.own(shared=True):
        assert home.is_owned()
        with pytest.raises(EngineOwned):
            async with home.own():
                pass

    assert not home.is_owned()


async def test_looking_whether_a_home_is_owned_does_not_shut_an_owner_out(tmp_path):
    home = Home(tmp_path / ".outlive")
    for _ in range(50):
        assert not home.is_owned()
        async with home.own():
            assert home.is_owned()


async def test_the_state_of_an_engine_counts_only_while_its_owner_lives(tmp_path):
    home = Home(tmp_path / ".outlive")
    async with home.own():
        home.write_state(STATE)
        assert home.live_state() == STATE

    assert home.read_state() == STATE
    assert home.live_state() is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"address": "x"}', '{"surprise": 1}'])
def test_a_state_file_that_makes_no_sense_is_no_state(tmp_path, text):
    home = Home(tmp_path / ".outlive")
    home.create()
    home.state_file.write_text(text)

    assert home.read_state() is None


async def test_an_existing_folder_that_is_open_to_others_is_closed(tmp_path):
    folder = tmp_path / ".outlive"
    folder.mkdir(mode=0o755)
    folder.chmod(0o755)
    async with Home(folder).own():
        pass

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_home_that_cannot_be_made_is_an_error_that_says_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(EngineFailed, match="OUTLIVE_HOME"):
        Home(tmp_path / "file" / ".outlive").create()


def test_this_process_is_running():
    assert is_running(os.getpid())
    assert not is_running(2**22 + 1)

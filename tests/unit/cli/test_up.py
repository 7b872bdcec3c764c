"""Where `outlive up` serves its console: where it was last, so that open pages find it again."""

from pathlib import Path

import pytest

from outlive.cli.up import _api_process, _Served
from outlive.engine.home import Home
from outlive.engine.ports import free_port
from outlive.settings import Settings


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "state")
    made.create()
    return made


def served_at(home: Home, *, port: int = 0) -> int:
    _api_process(Settings.load({"OUTLIVE_HOME": str(home.path)}), app=None, serve=_Served(port=port, has_pages=True))
    recorded = home.recorded_console_port()
    assert recorded is not None
    return recorded


def test_a_project_keeps_the_port_of_its_console(home: Home):
    port = free_port()

    assert served_at(home, port=port) == port
    assert served_at(home) == port


@pytest.mark.parametrize("text", ["", "none", "0", "65536", "-1"])
def test_what_is_no_port_counts_for_none(home: Home, text: str):
    home.console_port_file.write_text(text)

    assert home.recorded_console_port() is None
    assert served_at(home) > 0

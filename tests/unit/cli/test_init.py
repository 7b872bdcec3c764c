"""`outlive init` writes a file that works, and never over another."""

import ast
import sys

import pytest

from outlive.app import App, load_app
from outlive.cli.main import main


@pytest.fixture
def outlive(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])

    def run(*arguments):
        with pytest.raises(SystemExit) as ended:
            main(list(arguments))
        written = capsys.readouterr()
        return ended.value.code, written.out, written.err

    yield run
    sys.modules.pop("app", None)


def test_what_is_written_is_short_and_declares_a_durable_agent(outlive, tmp_path):
    status, out, _ = outlive("init", "travel-desk")

    app = load_app("app:app")
    assert status == 0
    assert len((tmp_path / "app.py").read_text().splitlines()) <= 15
    assert isinstance(app, App)
    assert app.registry.agent("travel-desk").model is None
    assert "outlive run travel-desk" in out
    assert "outlive chat travel-desk" in out


def test_a_file_that_is_there_stays_unless_forced(outlive, tmp_path):
    (tmp_path / "app.py").write_text("mine = 1\n")

    assert outlive("init") == (2, "", "Error: There is a file 'app.py' here already. --force writes over it.\n")
    assert (tmp_path / "app.py").read_text() == "mine = 1\n"
    assert outlive("init", "--force")[0] == 0
    assert "assistant = Agent(" in (tmp_path / "app.py").read_text()


@pytest.mark.parametrize("name", ["a b", "class", "app", "Agent", "a/b", "1st", 'x"', ""])
def test_a_name_that_no_variable_can_have_is_refused(outlive, tmp_path, name):
    status, _, err = outlive("init", name)

    assert status == 2
    assert f"{name!r} cannot be the name of an agent here" in err
    assert not (tmp_path / "app.py").exists()


def test_every_name_that_is_taken_gives_valid_python(outlive, tmp_path):
    for name in ("a", "a_b", "a-b-c", "UPPER", "x1"):
        assert outlive("init", "--force", name)[0] == 0
        ast.parse((tmp_path / "app.py").read_text())

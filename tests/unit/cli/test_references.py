"""Which app a command means where none is named."""

from dataclasses import replace

import pytest

from outlive.cli.references import default_app, is_same_app, required_app
from outlive.engine.home import Home
from outlive.errors import AppError
from outlive.settings import Settings


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = replace(Settings(), home=tmp_path / ".outlive")
    Home(made.home).create()
    return made


def test_a_folder_without_an_app_has_none_and_what_to_do_is_said(settings):
    assert default_app(settings) is None
    with pytest.raises(AppError, match=r"there is no app\.py in .*`outlive init`.*--app MODULE:APP"):
        required_app(None, settings)


def test_app_py_is_the_app_until_another_was_served(settings, tmp_path):
    (tmp_path / "app.py").write_text("")
    (tmp_path / "support.py").write_text("")
    assert default_app(settings) == "app:app"

    Home(settings.home).record_app("support:desk")
    assert default_app(settings) == "support:desk"

    (tmp_path / "support.py").unlink()
    assert default_app(settings) == "app:app"

    Home(settings.home).record_app(None)
    assert required_app(None, settings) == "app:app"


def test_a_module_that_is_not_there_is_refused_without_an_import(settings):
    with pytest.raises(AppError, match="No module 'nowhere_to_be_found'"):
        required_app("nowhere_to_be_found:app", settings)


def test_three_ways_to_write_an_app_are_the_same():
    assert is_same_app("app", "app.py:app")
    assert is_same_app("a.b:app", "a.b")
    assert not is_same_app("app:app", "app:other")

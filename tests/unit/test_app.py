"""Apps: what MODULE:APP names, and what is said where it names nothing that works."""

import sys

import pytest

from outlive.app import App, load_app
from outlive.errors import AppError
from outlive.names import ANALYZE_FUNCTION

GOOD = '''
from outlive.app import App

app = App("docs")
other = App("other")

@app.batch(concurrency=3)
async def analyze(document, llm) -> str:
    """Summarise it."""
    return await llm(document.text)
'''


@pytest.fixture
def module(tmp_path, monkeypatch, request):
    """Write a module of a name that no other test has imported, and stand in its folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    name = f"app_{abs(hash(request.node.name))}"

    def write(text):
        (tmp_path / f"{name}.py").write_text(text)
        return name

    yield write
    sys.modules.pop(name, None)


def test_the_built_in_app_serves_outlive_analyze():
    assert load_app(None).registry.batch(ANALYZE_FUNCTION).name == ANALYZE_FUNCTION


def test_an_app_is_found_in_the_current_folder(module):
    app = load_app(f"{module(GOOD)}:app")

    assert app.name == "docs"
    assert app.registry.batch("analyze").concurrency == 3


def test_the_name_of_the_app_may_be_left_out_and_the_ending_of_the_file_may_stand(module):
    name = module(GOOD)

    assert load_app(name).name == load_app(f"{name}.py:app").name == "docs"


def test_an_app_keeps_its_function_callable(module):
    app = App("x")

    @app.batch(name="renamed")
    async def analyze(document, llm) -> str:
        return "y"

    assert analyze.__name__ == "analyze"
    assert set(app.registry.batches) == {ANALYZE_FUNCTION, "renamed"}


def test_a_concurrency_below_one_is_refused():
    with pytest.raises(AppError, match="concurrency is 0"):
        App("x").batch(concurrency=0)


def test_two_functions_of_one_name_are_refused():
    app = App("x")

    async def analyze(document, llm) -> str:
        return "y"

    app.batch()(analyze)

    with pytest.raises(AppError, match="declared twice"):
        app.batch()(analyze)


@pytest.mark.parametrize("reference", ["no_such_module_anywhere:app", "no_such_module_anywhere", "outlive.nothing:app"])
def test_a_module_that_does_not_exist_is_named(reference):
    with pytest.raises(AppError, match=f"No module {reference.partition(':')[0]!r}"):
        load_app(reference)


@pytest.mark.parametrize("reference", ["", ":app", "a/b.py:app", "..x:app", "a b:app", "-:app"])
def test_what_is_no_name_of_a_module_is_refused(reference):
    with pytest.raises(AppError, match=r"is not the name of a module\. Give the app as MODULE:APP"):
        load_app(reference)


def test_a_missing_name_in_the_module_is_told_the_apps_that_are_there(module):
    name = module(GOOD)

    with pytest.raises(AppError, match=f"'{name}:batch' names no outlive.App. The apps in '{name}': app, other"):
        load_app(f"{name}:batch")


def test_a_module_without_an_app_is_said_to_hold_none(module):
    name = module("app = 3")

    with pytest.raises(AppError, match=f"'{name}' holds no app"):
        load_app(f"{name}:app")


def test_a_module_that_raises_is_named_with_file_line_and_error(module):
    name = module("x = 1\n\ndef load():\n    raise RuntimeError('no database')\n\nload()\n")

    with pytest.raises(
        AppError, match=rf"{name}' cannot be imported: .*{name}.py, line 4: RuntimeError: no database\."
    ):
        load_app(name)


def test_a_syntax_error_is_named_with_file_and_line(module):
    name = module("x = 1\ndef broken(:\n")

    with pytest.raises(AppError, match=rf"{name}.py, line 2: invalid syntax"):
        load_app(name)


def test_a_module_that_misses_another_is_not_itself_said_to_be_missing(module):
    name = module("import no_such_library_anywhere\n")

    with pytest.raises(AppError, match=rf"{name}.py, line 1: No module named 'no_such_library_anywhere'"):
        load_app(name)


def test_a_wrong_declaration_is_named_where_the_user_wrote_it(module):
    name = module("from outlive.app import App\napp = App('x')\n\n@app.batch()\ndef sync(document, llm): ...\n")

    with pytest.raises(AppError, match=rf"{name}.py, line 4: Batch function 'sync' must be declared with"):
        load_app(name)

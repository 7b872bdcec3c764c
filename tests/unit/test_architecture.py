"""The floors hold: what imports what, what importing costs, and what things are called."""

import ast
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

import outlive
from outlive.settings import PREFIX, Settings

PACKAGE = Path(outlive.__file__).parent
REPOSITORY = PACKAGE.parent.parent
MODULES = sorted(PACKAGE.rglob("*.py"))

HEAVY = {"aiohttp", "anthropic", "click", "httpx2", "openai", "pydantic_ai", "rich", "sqlalchemy", "sqlite3"}

TEMPORAL_FENCES = {
    "errors.py": set(),
    "names.py": set(),
    "settings.py": set(),
    "registry.py": set(),
    "contracts": set(),
    "ledger": set(),
    "documents": set(),
    "models": set(),
    "payloads": set(),
    "streams": set(),
    "agents": {"activity", "exceptions", "workflow"},
    "plans": {"workflow"},
    "workflows": {"workflow", "common", "exceptions"},
    "activities": {"activity", "common", "exceptions"},
}

FORBIDDEN_WORDS = {"job", "jobs", "step", "steps", "node", "nodes", "manager", "helper", "helpers", "util", "utils"}


def loaded_after(statement):
    probe = f"import sys; {statement}; print(*sys.modules)"
    return set(subprocess.run([sys.executable, "-c", probe], check=True, capture_output=True, text=True).stdout.split())


def temporal_modules_imported_by(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "temporalio":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("temporalio."):
            yield node.module.split(".")[1]
        elif isinstance(node, ast.Import):
            yield from (alias.name.split(".")[1] for alias in node.names if alias.name.startswith("temporalio."))


def modules_of(folder_or_file):
    place = PACKAGE / folder_or_file
    return [place] if place.suffix == ".py" and place.exists() else sorted(place.rglob("*.py"))


@pytest.mark.parametrize("name", outlive.__all__)
def test_every_public_name_resolves_to_its_declared_home(name):
    assert getattr(outlive, name).__module__ == outlive._HOMES[name]


def test_a_name_that_does_not_exist_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = outlive.no_such_name


def test_importing_the_package_imports_nothing_else():
    loaded = loaded_after("import outlive")

    assert not (HEAVY | {"temporalio", "asyncio"}) & loaded
    assert {name for name in loaded if name.startswith("outlive.")} == set()


def test_a_worker_of_agents_imports_no_mcp_library_where_none_of_them_has_a_server():
    prepared = loaded_after(
        "import outlive.worker.__main__, outlive.worker.agents as worker; from pydantic_ai import Agent; "
        "from outlive import Durable; worker.McpPool([Agent(name='a', capabilities=[Durable()])])"
    )

    assert "outlive.agents.mcp_pool" in prepared
    assert prepared & {"fastmcp", "mcp", "mcp_types", "pydantic_ai.mcp"} == set()


def test_importing_the_workflows_imports_no_heavy_library():
    modules = ", ".join(f"outlive.workflows.{path.stem}" for path in modules_of("workflows") if path.stem != "__init__")

    assert not HEAVY & loaded_after(f"import {modules}")


def test_showing_the_help_of_the_command_line_imports_no_heavy_library():
    loaded = loaded_after("import outlive.cli.main")

    assert not {"pydantic_ai", "openai", "temporalio.client", "sqlalchemy", "aiohttp"} & loaded


@pytest.mark.parametrize(("place", "allowed"), list(TEMPORAL_FENCES.items()))
def test_each_folder_uses_only_its_part_of_the_temporal_sdk(place, allowed):
    for path in modules_of(place):
        assert set(temporal_modules_imported_by(path)) <= allowed, path


def test_package_inits_hold_a_docstring_and_nothing_else():
    for path in PACKAGE.glob("*/__init__.py"):
        body = ast.parse(path.read_text()).body

        assert len(body) == 1, path
        assert isinstance(body[0], ast.Expr), path


def test_no_file_is_named_with_a_word_that_says_nothing():
    for path in MODULES:
        assert not FORBIDDEN_WORDS & set(path.stem.split("_")), path


def test_no_file_is_longer_than_a_reader_can_hold():
    too_long = {str(path): count for path in MODULES if (count := len(path.read_text().splitlines())) > 400}

    assert too_long == {}


@pytest.mark.parametrize("setting", [item.name for item in fields(Settings)])
def test_every_setting_stands_in_the_reference(setting):
    reference = (REPOSITORY / "docs" / "reference" / "settings.md").read_text()

    assert f"`{PREFIX}{setting.upper()}`" in reference


def test_the_reference_pages_are_what_the_code_says():
    subprocess.run([sys.executable, str(REPOSITORY / "docs" / "generate.py"), "--check"], check=True)


def test_every_store_is_opened_with_the_keys_of_the_project():
    """One that is not would write what people said for all to read, and nothing would fail."""
    stores = {"Ledger", "StreamLog", "StreamWriter", "Vault"}
    opened = [
        (path.name, call)
        for path in MODULES
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in stores
    ]

    assert len(opened) > 5
    assert [name for name, call in opened if all(keyword.arg != "keys" for keyword in call.keywords)] == []

"""What is committed of the console's pages is what their sources build."""

import hashlib
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from outlive.console.describe import description

ROOT = Path(__file__).parents[3]
FRONT_END = ROOT / "console" / "frontend"
STATIC = ROOT / "src" / "outlive" / "console" / "static"
SOURCES = (
    "index.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
    "public",
    "scripts",
    "src",
)
BUILD_SECONDS = 120
INSTALLED = (FRONT_END / "node_modules" / ".bin" / "vite").exists() and shutil.which("node") is not None
needs_node = pytest.mark.skipif(not INSTALLED, reason="the front end's packages are not installed: run `make console`")


def test_the_pages_that_are_committed_are_built_from_these_sources() -> None:
    built_from = json.loads((STATIC / "build.json").read_text())["sources"]

    assert built_from == _digest(), "Sources of the console's pages have changed. Run `make console`, and commit both."


@needs_node
def test_building_anew_gives_the_same_bytes(tmp_path: Path) -> None:
    command = ["node_modules/.bin/vite", "build", "--logLevel", "error", "--outDir", str(tmp_path), "--emptyOutDir"]
    subprocess.run(command, cwd=FRONT_END, check=True, timeout=BUILD_SECONDS)

    assert _contents(tmp_path) == _contents(STATIC)


@needs_node
def test_types_and_unit_tests_of_the_front_end_hold() -> None:
    for script in ("check", "test"):
        done = subprocess.run(
            ["npm", "run", "--silent", script],
            cwd=FRONT_END,
            check=False,
            timeout=BUILD_SECONDS,
            capture_output=True,
            text=True,
        )

        assert done.returncode == 0, done.stdout + done.stderr


@needs_node
def test_the_types_of_the_front_end_are_what_the_api_says(tmp_path: Path) -> None:
    described, types = tmp_path / "openapi.json", tmp_path / "schema.d.ts"
    described.write_text(description())
    command = ["node_modules/.bin/openapi-typescript", str(described), "--output", str(types)]
    subprocess.run(command, cwd=FRONT_END, check=True, timeout=BUILD_SECONDS, capture_output=True)

    committed = (FRONT_END / "src" / "api" / "schema.d.ts").read_text()
    assert types.read_text() == committed, "What the API says has changed. Run `make console`, and commit the types."


def test_the_lock_names_no_registry() -> None:
    lock = (FRONT_END / "package-lock.json").read_text()

    assert '"resolved"' not in lock
    assert "registry" not in lock


def test_pages_load_nothing_from_elsewhere_and_have_no_inline_code() -> None:
    page = (STATIC / "index.html").read_text()

    assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\bon\w+=|style=", page)
    for address in re.findall(r'(?:src|href)="([^"]*)"', page):
        assert address.startswith("/")
        assert not address.startswith("//")


def test_nothing_is_rendered_as_markup() -> None:
    dangerous = re.compile(
        r"dangerouslySetInnerHTML|innerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function"
    )
    found = [path for path in _files(FRONT_END / "src") if dangerous.search(path.read_text())]

    assert found == []


def _digest() -> str:
    whole = hashlib.sha256()
    paths = {path.relative_to(FRONT_END).as_posix(): path for name in SOURCES for path in _files(FRONT_END / name)}
    for name, path in sorted(paths.items()):
        if not re.search(r"\.test\.tsx?$", name):
            whole.update(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {name}\n".encode())
    return whole.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    else:
        yield from (found for found in sorted(path.rglob("*")) if found.is_file())


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in _files(folder)}

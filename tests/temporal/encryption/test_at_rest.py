"""With a key set nothing that people or models wrote is to be found at rest; without one all of it is."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from command_line import Folder
from engines import until
from outlive.encryption.keys import generate_key
from temporal.encryption.planted import APP, WORDS, done, found_in, live


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Folder]:
    made = Folder(tmp_path, app=APP)
    yield made
    await made.close()


async def lived(folder: Folder) -> dict[str, set[str]]:
    """Let the project live; return where words are while it is up, after it, and in a backup."""
    async with folder.up("--workers", "1"):
        await live(folder)
        await until(lambda: has_ended(folder), "both runs of the agent have ended")
        traced = await done(folder, "show", "one")
        results = await done(folder, "batch", "results", "b")
        found = found_in(folder.home.path)
        await done(folder, "engine", "backup", str(folder.home.path / "backup"))
    for name, places in found_in(folder.home.path).items():
        found.setdefault(name, set()).update(places)
    assert WORDS["edited"] in traced, "what is shown is readable"
    assert WORDS["document"] in results
    return found


async def has_ended(folder: Folder) -> bool:
    return "completed" in await done(folder, "show", "one")


@pytest.mark.timeout(600)
async def test_without_a_key_every_planted_word_is_found(folder: Folder):
    found = await lived(folder)

    assert found.keys() == WORDS.keys()


@pytest.mark.timeout(600)
async def test_with_a_key_no_planted_word_is_found_in_any_byte_at_rest(folder: Folder):
    folder.settings = replace(folder.settings, keys=generate_key("k1").written())

    found = await lived(folder)

    assert found == {}

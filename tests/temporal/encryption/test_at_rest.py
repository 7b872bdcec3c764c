"""With a key set nothing that people or models wrote is to be found at rest; without one all of it is."""

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from command_line import Folder
from engines import until
from object_store import ObjectServer
from outlive.encryption.keys import generate_key
from postgres import PostgresServer
from temporal.encryption.planted import (
    APP,
    WORDS,
    contents,
    contents_of_bucket,
    contents_of_database,
    done,
    found_in,
    live,
)

pytestmark = pytest.mark.embedded  # it looks into the engine's own file


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Folder]:
    made = Folder(tmp_path, app=APP)
    yield made
    await made.close()


Places = Callable[[], Iterable[Iterator[tuple[str, bytes]]]]


async def lived(folder: Folder, elsewhere: Places = tuple) -> dict[str, set[str]]:
    """Let the project live; return where words are while it is up, after it, and in a backup."""
    async with folder.up("--workers", "1"):
        await live(folder)
        await until(lambda: has_ended(folder), "both runs of the agent have ended")
        traced = await done(folder, "show", "one")
        results = await done(folder, "batch", "results", "b")
        found = found_in(folder.home.path, *elsewhere())
        await done(folder, "engine", "backup", str(folder.home.path / "backup"))
    for name, places in found_in(folder.home.path, *elsewhere()).items():
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


@pytest.mark.timeout(600)
async def test_with_a_key_no_planted_word_is_found_in_stores_that_machines_share(
    folder: Folder, shared_postgres: PostgresServer, shared_objects: ObjectServer, bucket: str, postgres_url: str
):
    folder.settings = replace(
        folder.settings, keys=generate_key("k1").written(), ledger=postgres_url, payloads=f"s3://{bucket}"
    )
    objects = shared_objects.bucket(bucket)

    def elsewhere() -> list[Iterator[tuple[str, bytes]]]:
        servers = [contents(server.folder) for server in (shared_postgres, shared_objects)]
        return [*servers, contents_of_database(postgres_url), contents_of_bucket(objects)]

    found = await lived(folder, elsewhere)
    seen = {place for places in elsewhere() for place, cell in places if b"agent/clerk/one" in cell}

    assert found == {}
    assert {"cells of effects", "cells of notify_deliveries"} <= seen, "ids stay readable, and are found"
    assert any(place == "an object" for place, _ in contents_of_bucket(objects))

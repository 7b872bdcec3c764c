"""`examples/migration`, as its README says: rehearsed, stopped, mended, killed in mid-wave, finished and taken back."""

import asyncio
import json
import os
import sys

import pytest
from sqlalchemy import create_engine, text

from command_line import ended
from engines import until
from examples.projects import Example

ROWS = 20_000


class Shop:
    """The database, as it counts."""

    def __init__(self, url: str) -> None:
        self.url = url.replace("postgresql:", "postgresql+psycopg:")
        self.engine = create_engine(self.url)

    def people(self) -> tuple[int, int]:
        """Rows of the new table, and how many different ones; none where there is no table."""
        with self.engine.connect() as connection:
            if connection.execute(text("SELECT to_regclass('new.people')")).scalar() is None:
                return 0, 0
            rows, different = connection.execute(text("SELECT count(*), count(DISTINCT id) FROM new.people")).one()
            return rows, different

    def has_table(self) -> bool:
        with self.engine.connect() as connection:
            return connection.execute(text("SELECT to_regclass('new.people')")).scalar() is not None


@pytest.fixture
async def shop(postgres_url):
    opened = Shop(postgres_url)
    yield opened
    opened.engine.dispose()


@pytest.fixture
async def migration(tmp_path, shop):
    example = Example("migration", tmp_path / "migration")
    example.environment["MIGRATION_DATABASE"] = shop.url
    yield example
    await example.close()


async def prepare(example: Example, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "prepare.py",
        *arguments,
        cwd=example.path,
        env=os.environ | example.environment,
        stdout=asyncio.subprocess.PIPE,
    )
    status, out, _ = await ended(process)
    assert status == 0
    return out


async def shown(example: Example, run: str) -> dict:
    status, out, err = await example.outlive("plan", "show", run, "--json")
    assert status == 0, err
    return json.loads(out)


async def until_shown(example: Example, run: str, *, state: str) -> dict:
    while (found := await shown(example, run))["state"] != state:
        assert found["state"] in {"running", "parked", "stuck"}, found
        await asyncio.sleep(0.2)
    return found


@pytest.mark.timeout(420)
async def test_a_migration_is_rehearsed_stopped_killed_finished_and_taken_back(migration, shop):
    await prepare(migration)
    async with migration.up("migration:app", environment=migration.environment):
        await migration.outlive("plan", "start", "migrate", "--id", "rehearsal", "--input", "{}", "--shadow")
        rehearsed = await until_shown(migration, "migrate/rehearsal", state="completed")
        people_after_the_rehearsal = shop.people()

        await migration.outlive("plan", "start", "migrate", "--id", "customers", "--input", "{}")
        stopped = await until_shown(migration, "migrate/customers", state="parked")
        people_when_it_stopped = shop.people()
        mended = await prepare(migration, "--mend")
        (asked,) = stopped["asks"]
        answered = await migration.outlive("answer", asked["question"], "retry")

        await until(lambda: shop.people()[0] > 4_000, "the last wave has begun")
        people_at_the_kill = shop.people()[0]
        await migration.kill_workers()
        finished = await until_shown(migration, "migrate/customers", state="completed")
        people = shop.people()

        would = await migration.outlive("undo", "migrate/customers", "--dry-run", "--json")
        undone = await migration.outlive("undo", "migrate/customers", "--json")

    assert people_after_the_rehearsal == (0, 0)
    assert any("1,699 done, 101 failed" in said["text"] for said in rehearsed["said"]), rehearsed["said"]
    assert {count["state"] for count in rehearsed["counts"]} == {"shadowed"}
    assert "have failed" in asked["reason"]
    assert 200 < people_when_it_stopped[0] < 2_000
    assert people_when_it_stopped[0] == people_when_it_stopped[1]
    assert "101" in mended
    assert answered[0] == 0, answered[2]
    assert people_at_the_kill < ROWS
    assert people == (ROWS, ROWS)
    assert finished["said"][-1]["text"].endswith("18,000 done, 0 failed")
    assert len(json.loads(would[1])["undoable"]) > 100
    assert json.loads(undone[1].splitlines()[-1])["skipped"] == []
    assert not shop.has_table()

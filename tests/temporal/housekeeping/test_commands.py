"""`outlive up`, `outlive clean` and `outlive doctor`, as a user meets housekeeping."""

import json
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from command_line import Folder, ended
from engines import until
from outlive.housekeeping.records import RoundRecord, read_record, sole_round
from outlive.ledger.ledger import Ledger

pytestmark = pytest.mark.embedded

AT_ONCE = 0.0001  # hours


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Folder]:
    made = Folder(tmp_path)
    yield made
    await made.close()


def with_rounds(folder: Folder, hours: float) -> Folder:
    folder.settings = replace(folder.settings, housekeeping_hours=hours)
    return folder


async def doctor(folder: Folder) -> dict[str, str]:
    _, out, _ = await folder.run("doctor", "--json")
    return next(finding for finding in json.loads(out) if finding["name"] == "housekeeping")


async def add_old_run(folder: Folder, run: str) -> None:
    async with Ledger(folder.home.ledger_db) as ledger:
        await ledger.call(ledger.effects.keep_answer, run, 1, '"yes"')
        await ledger.call(_make_old, ledger)


def _make_old(ledger: Ledger) -> None:
    with ledger.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE answers SET recorded_at = 1.0")


async def test_up_has_rounds_by_itself_and_doctor_tells_of_the_last_one(folder):
    await add_old_run(folder, "old")
    before = await doctor(folder)
    async with with_rounds(folder, AT_ONCE).up("--workers", "1"):
        await until(lambda: read_record(folder.home).ended_at is not None, "a round went through")
    after = await doctor(folder)

    assert before["found"] == "no round yet: `outlive up` has one each 6 h"
    assert after["state"] == "good"
    assert "removed" in after["found"]
    async with Ledger(folder.home.ledger_db) as ledger:
        assert await ledger.call(ledger.retention.last_uses) == {}


async def test_up_told_to_leave_it_has_no_round(folder):
    async with with_rounds(folder, 0.0).up("--workers", "1"):
        found = await doctor(folder)

    assert found["found"] == "no round yet: `outlive clean` has one"
    assert read_record(folder.home) == RoundRecord()


async def test_a_round_that_fails_is_told_once_and_shown_by_doctor(folder):
    async with Ledger(folder.home.ledger_db) as ledger:
        await ledger.call(ledger.retention.note_namespace, "another", "'default' at there:7233")
    began: set[float] = set()

    def has_failed_twice() -> bool:
        record = read_record(folder.home)
        if record.failure and record.began_at is not None:
            began.add(record.began_at)
        return len(began) > 1

    async with with_rounds(folder, AT_ONCE).up("--workers", "1") as process:
        await until(has_failed_twice, "two rounds failed")
        process.send_signal(signal.SIGINT)
        _, said, _ = await ended(process)
    found = await doctor(folder)

    assert said.count("housekeeping did not go through") == 1
    assert found["state"] == "note"
    assert "another engine or namespace" in found["found"]


async def test_clean_says_what_it_would_remove_and_then_removes_it(folder):
    await add_old_run(folder, "old")

    _, dry, _ = await folder.run("clean", "--dry-run", "--json")
    before = read_record(folder.home)
    status, said, _ = await folder.run("clean")
    _, again, _ = await folder.run("clean", "--json")

    assert json.loads(dry)["forgotten"] == ["old"]
    assert json.loads(dry)["removed"]["answers"] == 1
    assert before == RoundRecord()
    assert status == 0
    assert "removed what is left of 1 others" in said
    assert "ledger.db" in said
    assert (json.loads(again)["forgotten"], json.loads(again)["dry_run"]) == ([], False)
    assert "engine.db" in json.loads(again)["files"]
    assert folder.engine_pid() is None


async def test_clean_beside_another_round_says_who_is_at_it(folder):
    with sole_round(folder.home):
        status, _, said = await folder.run("clean")

    assert status != 0
    assert "is at it" in said
    assert "Traceback" not in said

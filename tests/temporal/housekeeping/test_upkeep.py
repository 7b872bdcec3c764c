"""When rounds are started, and what becomes of them when nobody wants them any more."""

import asyncio
import contextlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from engines import is_running, settings_for, until
from outlive.engine.home import Home
from outlive.housekeeping.records import RoundRecord
from outlive.worker.upkeep import RETRY_AFTER, HousekeepingFailed, Upkeep

pytestmark = pytest.mark.embedded

HOUR = 3_600.0
NOW = 1_000_000.0
FAILING = "import sys; sys.exit('Error: no luck')"
DYING = "import os; os.kill(os.getpid(), 9)"
HANGING = """
import os, pathlib, time
pathlib.Path("pid").write_text(str(os.getpid()))
time.sleep(600)
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.chdir(tmp_path)
    made = Home(tmp_path / ".outlive")
    made.create()
    return made


def upkeep(home: Home, script: str, told: list[HousekeepingFailed]) -> Upkeep:
    settings = replace(settings_for(home.path), housekeeping_hours=0.0001)
    return Upkeep(settings, told.append, command=(sys.executable, "-c", script), first_look=0.0)


@pytest.mark.parametrize(
    ("record", "seconds"),
    [
        (RoundRecord(), 0.0),
        (RoundRecord(began_at=NOW - HOUR, ended_at=NOW - HOUR), 5 * HOUR),
        (RoundRecord(began_at=NOW - 7 * HOUR, ended_at=NOW - 7 * HOUR), -HOUR),
        (RoundRecord(began_at=NOW - 60, failure="no luck", failing_since=NOW - 60), RETRY_AFTER - 60),
        (RoundRecord(began_at=NOW + HOUR, ended_at=NOW + HOUR), 0.0),  # the clock was set back
    ],
)
def test_a_round_is_due_when_the_last_one_in_the_folder_is_long_past(home, record, seconds):
    assert upkeep(home, FAILING, [])._due_in(6 * HOUR, record, NOW) == seconds


@pytest.mark.parametrize(("script", "reason"), [(FAILING, "no luck"), (DYING, "status -9")])
async def test_a_failure_is_told_once_however_often_it_comes(home, script, reason):
    told: list[HousekeepingFailed] = []
    kept = upkeep(home, script, told)

    await kept._round()
    await kept._round()

    assert len(told) == 1
    assert reason in told[0].reason


async def test_a_program_that_does_not_run_is_told_and_ends_nothing(home):
    told: list[HousekeepingFailed] = []
    kept = Upkeep(settings_for(home.path), told.append, command=("/nowhere/at/all",), first_look=0.0)

    await kept._round()

    assert "does not start" in told[0].reason


async def test_a_round_under_way_is_ended_at_once_with_whoever_started_it(home):
    going_on = asyncio.create_task(upkeep(home, HANGING, []).go_on())
    await until(lambda: Path("pid").exists() and Path("pid").read_text() != "", "a round is under way")
    pid = int((home.path.parent / "pid").read_text())

    going_on.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await going_on

    assert not is_running(pid)

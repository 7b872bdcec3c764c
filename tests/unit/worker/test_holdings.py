import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from outlive.engine.home import Home
from outlive.worker import holdings as module
from outlive.worker.holdings import Held, Holdings

DYING = """
import os, signal, sys
from pathlib import Path
from outlive.engine.home import Home
from outlive.worker.holdings import Held, Holdings

async def hold():
    with Holdings(Home(Path(sys.argv[1]))) as own:
        with own.holding(Held(token=b"t", workflow_id="w", run_id="r", attempt=3)):
            os.kill(os.getpid(), signal.SIGKILL)

import asyncio
asyncio.run(hold())
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / ".outlive")


def held(token: bytes = b"t", *, attempt: int = 1) -> Held:
    return Held(token=token, workflow_id="w", run_id="r", attempt=attempt)


class Lost(Exception):
    """What ends a worker that has not drained."""


def test_what_a_killed_process_held_is_found_whole_and_once(home: Home):
    status = subprocess.run([sys.executable, "-c", DYING, str(home.path)], check=False).returncode
    with Holdings(home) as own:
        found, again = own.left_by_dead(), own.left_by_dead()

    assert status == -9
    assert found == [held(attempt=3)]
    assert again == []


async def test_what_a_living_worker_holds_is_nobody_elses(home: Home):
    with Holdings(home) as living, Holdings(home) as own, living.holding(held()):
        assert own.left_by_dead() == []
        assert living.left_by_dead() == []


async def test_a_result_that_the_engine_may_not_have_heard_of_is_still_held(home: Home):
    with Holdings(home) as own:
        with suppress(Lost), Holdings(home) as dying:
            with dying.holding(held()):
                pass
            raise Lost
        found = own.left_by_dead()

    assert found == [held()]


async def test_what_has_ended_long_ago_is_held_no_more_however_much_it_was(home: Home, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "MOST_FORGOTTEN", 3)
    with Holdings(home) as own:
        with suppress(Lost), Holdings(home) as dying, dying.holding(held(b"at work")):
            for number in range(8):
                with dying.holding(held(b"ended %d" % number)):
                    pass
                dying._forget(b"ended %d" % number)
            raise Lost
        found = own.left_by_dead()

    assert found == [held(b"at work")]


async def test_a_worker_that_has_drained_leaves_nothing(home: Home):
    with Holdings(home) as own:
        with Holdings(home) as drained, drained.holding(held()):
            pass
        left = list((home.path / "workers").iterdir())

        assert len(left) == 1
        assert own.left_by_dead() == []


def test_a_first_death_costs_no_pause_and_no_number_of_them_a_long_one():
    pauses = [held(attempt=attempt).pause.total_seconds() for attempt in (1, 2, 3, 50)]

    assert pauses == [0.01, 1.0, 2.0, 2.0]

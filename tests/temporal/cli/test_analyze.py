"""`outlive analyze` as its user runs it: real processes, a real engine, the offline model."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from conftest import settings_for
from namespaces import own_place
from outlive.engine.home import Home
from outlive.worker.children import worker_environment

DEADLINE = 100.0  # seconds: far more than needed, so that a busy machine does not decide


class Project:
    """A folder with documents, and the command line in it."""

    def __init__(self, folder: Path, documents: int) -> None:
        self.folder = folder
        self.home = folder / ".outlive"
        self.started: list[Process] = []
        self._place = own_place()
        (folder / "docs").mkdir()
        for number in range(documents):
            (folder / "docs" / f"{number:02}.txt").write_text(
                f"Birds sing. Tree {number} stands here. The end is near."
            )

    async def begin(self, *arguments: str, latency: float = 0.0, stdin: int | None = None) -> Process:
        settings = settings_for(self.home, offline_latency=latency, drain_timeout=1.0, port=0, ui_port=0)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "outlive.cli.main"),
            *arguments,
            cwd=self.folder,
            env=worker_environment(settings) | self._place,
            stdin=stdin or asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            preexec_fn=heed_interrupts,
        )
        self.started.append(process)
        return process

    async def run(self, *arguments: str, latency: float = 0.0) -> tuple[int, str, str]:
        return await ended(await self.begin(*arguments, latency=latency))

    def done(self, instruction: str) -> int:
        """Count the outcomes of the batch with this instruction."""
        if not Home(self.home).ledger_db.exists():
            return 0
        with sqlite3.connect(Home(self.home).ledger_db, timeout=30) as ledger:
            of_batch = "JOIN batches ON number = batch WHERE json_extract(spec, '$.instruction') = ?"
            try:
                return ledger.execute(f"SELECT COUNT(*) FROM outcomes {of_batch}", (instruction,)).fetchone()[0]
            except sqlite3.OperationalError:  # the tables are just being made
                return 0


def heed_interrupts() -> None:
    """Heed Ctrl-C also where the tests themselves run in the background of a shell that ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


async def ended(process: Process, text: str | None = None) -> tuple[int, str, str]:
    async with asyncio.timeout(DEADLINE):
        out, err = await process.communicate(None if text is None else text.encode())
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def until(condition) -> None:
    async with asyncio.timeout(DEADLINE):
        while not condition():  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(0.05)


def rows(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
async def project(tmp_path: Path) -> AsyncIterator[Project]:
    made = Project(tmp_path, 24)
    yield made
    for process in made.started:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_a_list_on_standard_input_becomes_rows_on_standard_output_and_nothing_is_left_running(project):
    names = "\n".join([*(f"docs/{number:02}.txt" for number in range(3)), "docs/00.txt", "docs/missing.txt"])

    process = await project.begin("analyze", "-", "Summarise.", "-o", "-", stdin=PIPE)
    status, out, err = await ended(process, names)

    assert status == 0, err
    assert [row["status"] for row in rows(out)] == ["done", "done", "done", "done", "failed"]
    assert rows(out)[3]["duplicate_of"] == 0
    assert "1 entry repeats an earlier one and is done once." in err
    assert "offline:extractive" in err
    assert not Home(project.home).is_owned()

    again = await project.begin("analyze", "-", "Summarise.", "-o", "-", stdin=PIPE)
    status, same, err = await ended(again, names)

    assert (status, same) == (0, out)
    assert "is finished already" in err


async def test_interrupted_the_same_command_goes_on_where_it_stopped(project):
    arguments = ("analyze", "docs", "Go on.", "-o", "-", "--concurrency", "4")
    process = await project.begin(*arguments, latency=0.5)
    await until(lambda: project.done("Go on.") >= 4)

    process.send_signal(signal.SIGINT)
    status, out, err = await ended(process)

    assert (status, out) == (130, "")
    assert err.endswith("Stopped. The same command goes on where it stopped.\n")
    assert not Home(project.home).is_owned()
    assert 4 <= project.done("Go on.") < 24

    status, out, err = await project.run(*arguments)

    assert status == 0, err
    assert [row["status"] for row in rows(out)] == ["done"] * 24
    with sqlite3.connect(Home(project.home).ledger_db) as ledger:
        assert ledger.execute("SELECT MAX(calls), COUNT(*) FROM outcomes").fetchone() == (1, 24)


@pytest.mark.embedded
async def test_ended_by_sigterm_it_leaves_nothing_running(project):
    process = await project.begin("analyze", "docs", "Go on.")
    await until(lambda: Home(project.home).live_state() is not None)
    engine = Home(project.home).live_state().engine_pid

    process.send_signal(signal.SIGTERM)
    status, _, _ = await ended(process)

    assert status == 130
    with pytest.raises(ProcessLookupError):
        os.kill(engine, 0)


@pytest.mark.embedded
async def test_two_at_once_both_finish_though_the_first_takes_its_engine_with_it(project):
    first = await project.begin("analyze", "docs/0[0-3].txt", "First.", "-o", "-", "--concurrency", "2", latency=0.5)
    await until(lambda: Home(project.home).live_state() is not None)
    second = await project.begin("analyze", "docs", "Second.", "-o", "-", "--concurrency", "1", latency=0.5)

    status, out, err = await ended(first)
    assert (status, len(rows(out))) == (0, 4), err
    assert project.done("Second.") < 24

    status, out, err = await ended(second)
    assert status == 0, err
    assert [row["status"] for row in rows(out)] == ["done"] * 24
    assert not Home(project.home).is_owned()


async def test_a_sample_is_quoted_and_costs_nothing_in_the_whole(project):
    status, out, err = await project.run("analyze", "docs", "Sample.", "--sample", "5", "--yes", "-o", "-")

    assert status == 0, err
    assert "Sample: 5 of 24 documents" in err
    assert "failures  0.0% (0.0% to 43.4%)" in err
    assert sum(row["reused"] for row in rows(out)) == 5

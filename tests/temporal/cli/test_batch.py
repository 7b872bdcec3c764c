"""`outlive batch` beside `outlive up`: each command says what is true."""

import asyncio
import json

import pytest

from conftest import settings_for
from engines import DEADLINE
from outlive.app import App
from outlive.cli.main import main
from outlive.client import Client
from outlive.engine.connection import connect
from outlive.engine.home import Home
from outlive.engine.server import EngineServer
from outlive.ledger.records import BatchState
from outlive.worker.children import worker_environment
from outlive.worker.process import serve

pytestmark = pytest.mark.embedded


async def until_done(project, least: int) -> None:
    async with asyncio.timeout(DEADLINE):
        while json.loads((await project.outlive("batch", "list", "--json"))[1])[0]["progress"]["done"] < least:
            pass


async def until_state(project, batch_id, *wanted):
    async with asyncio.timeout(DEADLINE), Client(project.settings) as client:
        handle = await client.batch(batch_id)
        while (await handle.record()).state not in wanted:  # noqa: ASYNC110 - another loop changes it
            await asyncio.sleep(0.05)


class Served:
    """A project with an engine and a worker in this process, and the command line beside it."""

    def __init__(self, settings, capsys):
        self.settings = settings
        self._capsys = capsys

    async def outlive(self, *arguments):
        def run():
            with pytest.raises(SystemExit) as ended:
                main(list(arguments))
            return ended.value.code

        status = await asyncio.to_thread(run)
        written = self._capsys.readouterr()
        return status, written.out, written.err


@pytest.fixture
async def project(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    for number in range(30):
        (tmp_path / "docs" / f"{number:02}.txt").write_text(f"Birds sing. Tree {number} stands.")
    (tmp_path / "docs" / "99.txt").write_text(" \n")
    settings = settings_for(tmp_path / ".outlive", offline_latency=0.2, drain_timeout=1.0)
    for name, value in worker_environment(settings).items():
        if name.startswith("OUTLIVE_"):
            monkeypatch.setenv(name, value)
    server = EngineServer(Home(settings.home), settings)
    async with Home(settings.home).own(), server:
        stop = asyncio.Event()
        serving = asyncio.create_task(serve(await connect(settings), App("docs"), settings, stop))
        yield Served(settings, capsys)
        stop.set()
        await serving


async def test_a_batch_is_started_changed_ended_and_read_from_the_command_line(project):
    start = ("batch", "start", "outlive.analyze", "docs", "--instruction", "x", "--id", "b", "--concurrency", "2")
    status, out, err = await project.outlive(*start)
    assert (status, out) == (0, "batch/b\n")
    assert "Follow it with `outlive batch watch b`." in err

    await until_done(project, 2)
    assert (await project.outlive("batch", "pause", "b"))[:2] == (0, "Pausing; `outlive batch resume b` goes on.\n")
    await until_state(project, "b", BatchState.PAUSED)
    status, out, _ = await project.outlive("batch", "status", "batch/b")
    assert out.startswith("b: paused, ")
    assert "Paused. Go on with `outlive batch resume b`." in out

    assert (await project.outlive("batch", "set", "b", "--concurrency", "4"))[0] == 0
    assert (await project.outlive("batch", "resume", "b"))[1] == "It goes on.\n"
    assert (await project.outlive("batch", "cancel", "b"))[0] == 0
    await until_state(project, "b", BatchState.CANCELLED)
    status, _, err = await project.outlive("batch", "cancel", "b")
    assert (status, err) == (2, "Error: Batch 'b' is cancelled already. There is nothing to cancel.\n")
    status, out, _ = await project.outlive("batch", "results", "b")
    assert {json.loads(line)["status"] for line in out.splitlines()} >= {"done", "missing"}

    assert (await project.outlive("batch", "resume", "b"))[1] == "It goes on.\n"
    status, _, err = await project.outlive("batch", "watch", "b")
    assert status == 0
    assert "b: 31/31  done 30  ·  failed 1 (empty 1)" in err

    said = (await project.outlive("batch", "failures", "b"))[1]
    assert said.startswith("empty, 1 document: It holds nothing but white space.")
    assert "99.txt" in said
    shown = json.loads((await project.outlive("batch", "failures", "b", "--json"))[1])
    assert [(group["cause"], group["example"]["position"]) for group in shown] == [("empty", 30)]
    status = json.loads((await project.outlive("batch", "status", "b", "--json"))[1])
    assert (status["outlook"]["basis"], status["created_at"] < status["finished_at"]) == ("", True)

    assert (await project.outlive("batch", "resume", "b"))[1] == "Batch b is finished already.\n"
    assert (await project.outlive("batch", "pause", "b"))[2] == (
        "Error: Batch 'b' is finished already. There is nothing to pause.\n"
    )
    assert (await project.outlive("batch", "retry-failed", "b"))[1] == "1 document is done again.\n"
    await until_state(project, "b", BatchState.FINISHED)
    listed = json.loads((await project.outlive("batch", "list", "--json"))[1])
    assert [(row["batch_id"], row["state"], row["concurrency"]) for row in listed] == [("b", "finished", 4)]
    assert listed[0]["progress"]["done"] == 30

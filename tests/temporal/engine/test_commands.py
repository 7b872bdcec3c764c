"""`outlive up`, `outlive engine` and `outlive doctor`, as a user runs them."""

import asyncio
import json
import os
import signal
import sqlite3
import sys
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass

import pytest

from engines import is_running, settings_for, until
from outlive.engine.home import Home
from outlive.engine.presence import Presence
from outlive.ledger.ledger import Ledger

pytestmark = pytest.mark.embedded


@dataclass(frozen=True)
class Answer:
    status: int
    out: str
    err: str


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project folder of one's own, with free ports for its engine."""
    settings = settings_for(tmp_path / ".outlive")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OUTLIVE_PORT", str(settings.port))
    monkeypatch.setenv("OUTLIVE_UI_PORT", str(settings.ui_port))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in [name for name in os.environ if name.endswith("_API_KEY")]:
        monkeypatch.delenv(name)
    return Home(tmp_path / ".outlive")


async def begin(*arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "outlive.cli.main", *arguments, stdout=pipe, stderr=pipe
    )


async def outlive(*arguments: str) -> Answer:
    process = await begin(*arguments)
    out, err = await process.communicate()
    return Answer(status=await process.wait(), out=out.decode(), err=err.decode())


@asynccontextmanager
async def up(*arguments: str):
    process = await begin("up", *arguments)
    lines: list[str] = []
    try:
        async for line in process.stdout:
            lines.append(line.decode())
            if lines[-1].startswith("Ready"):
                break
        yield process, "".join(lines)
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
        await process.communicate()


async def findings(*arguments: str) -> tuple[int, dict[str, dict[str, str]]]:
    answer = await outlive("doctor", "--json", *arguments)
    assert answer.out, answer.err
    return answer.status, {finding["name"]: finding for finding in json.loads(answer.out)}


async def test_up_says_where_everything_is_and_a_second_one_who_owns_it(project):
    async with up("--workers", "0") as (process, said):
        state = project.live_state()
        second = await outlive("up")
        status = await outlive("engine", "status")

        assert state.address in said
        assert state.ui_address in said
        assert second.status == 2
        assert f"process {process.pid}" in second.err
        assert "Traceback" not in second.err
        assert status.status == 0
        assert state.address in status.out
        process.send_signal(signal.SIGINT)
        assert await process.wait() == 0
    assert not is_running(state.engine_pid)
    assert (await outlive("engine", "status")).status == 1


async def test_up_is_ready_once_a_worker_serves(project):
    slow = "import time\nfrom outlive import App\ntime.sleep(2)\napp = App('slow')\n"
    (project.path.parent / "slow.py").write_text(slow)

    async with up("slow:app", "--workers", "1") as (_, said):
        served = Presence(project).count("outlive")

    assert served == 1
    assert said.index("Starting the workers") < said.index("Ready")


async def test_up_with_a_module_that_does_not_exist_starts_nothing(project):
    answer = await outlive("up", "nowhere:app")

    assert answer.status == 2
    assert "No module 'nowhere'" in answer.err
    assert not project.path.exists()


async def test_doctor_on_a_fresh_machine_names_what_to_start(project):
    status, found = await findings()

    assert status == 1
    assert found["temporal"]["state"] == "fault"
    assert "outlive up" in found["temporal"]["found"]
    assert {found[name]["state"] for name in ("program", "state", "disk", "owner", "ports")} == {"good"}


async def test_doctor_finds_nothing_wrong_once_up_serves(project):
    async with up("--workers", "1"):
        found: dict[str, dict[str, str]] = {}

        async def all_well() -> bool:
            status, now = await findings()
            found.update(now)
            return status == 0

        await until(all_well, "doctor finds nothing wrong")

    assert found["workers"]["found"] == "1 alive, serving the built-in functions"
    assert {"temporal", "retention", "runs", "model"} <= found.keys()


async def test_doctor_misses_the_worker_that_nobody_started(project, engine, monkeypatch):
    monkeypatch.setenv("OUTLIVE_HOME", str(engine.home.path))
    monkeypatch.setenv("OUTLIVE_TASK_QUEUE", "nobody-here")

    status, found = await findings()

    assert status == 1
    assert found["workers"]["state"] == "fault"
    assert "outlive up" in found["workers"]["mend"]
    assert found["temporal"]["state"] == found["retention"]["state"] == "good"


async def test_doctor_finds_the_folder_that_others_can_read_and_the_port_that_is_taken(project, engine, monkeypatch):
    project.create()
    project.path.chmod(0o755)
    monkeypatch.setenv("OUTLIVE_PORT", engine.state.address.rpartition(":")[2])

    _, found = await findings()

    assert found["state"]["state"] == "fault"
    assert "chmod 700" in found["state"]["mend"]
    assert found["ports"]["state"] == "fault"
    assert "OUTLIVE_PORT" in found["ports"]["found"]


async def test_doctor_finds_the_ledger_that_cannot_be_written(project):
    async with Ledger(project.ledger_db):
        pass
    with closing(sqlite3.connect(project.ledger_db, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        _, locked = await findings()
    _, free = await findings()

    assert locked["ledger"]["state"] == "fault"
    assert "database is locked" in locked["ledger"]["found"]
    assert free["ledger"]["state"] == "good"


async def test_doctor_misses_the_key_of_a_model_that_the_app_names(project):
    (project.path.parent / "analyze.py").write_text(
        "from outlive import App\n"
        "app = App('docs')\n"
        "@app.batch(model='openai:gpt-5-mini')\n"
        "async def analyze(document, llm):\n"
        "    '''Summarise.'''\n"
        "    return await llm(document.text)\n"
    )
    answer = await outlive("doctor", "analyze:app")
    broken = await outlive("doctor", "analyze:nothing")

    assert "openai:gpt-5-mini: OPENAI_API_KEY is not set" in answer.out
    assert "names no outlive.App" in broken.out
    assert "Traceback" not in answer.err + broken.err


async def test_engine_and_ledger_are_backed_up_and_restored_by_command(project, engine, monkeypatch):
    restored = str(project.path)
    monkeypatch.setenv("OUTLIVE_HOME", str(engine.home.path))
    backup = await outlive("engine", "backup", "kept")
    refused = await outlive("engine", "restore", "kept", "--force")
    monkeypatch.setenv("OUTLIVE_HOME", restored)
    first, second, third = [await outlive("engine", "restore", "kept", *more) for more in ((), (), ("--force",))]

    assert [answer.status for answer in (backup, refused, first, second, third)] == [0, 1, 0, 2, 0]
    assert "owned by process" in refused.err
    assert "--force" in second.err
    assert "replaced-" in third.out
    assert project.engine_db.exists()

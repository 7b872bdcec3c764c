import subprocess
import sys

import pytest

from engines import Notes, counting_worker, settings_for
from outlive.engine.connection import configured_cluster, connect, read_cluster, result_of
from outlive.errors import EngineUnavailable, SettingError
from outlive.worker.supervisor import Supervisor

pytestmark = pytest.mark.embedded


@pytest.fixture(autouse=True)
def no_configuration(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


async def test_without_engine_and_cluster_the_error_says_how_to_start_one(tmp_path):
    with pytest.raises(EngineUnavailable, match=r"outlive up.*TEMPORAL_ADDRESS"):
        await connect(settings_for(tmp_path))


async def test_a_configured_address_is_used_and_no_engine_started(engine, monkeypatch, tmp_path):
    monkeypatch.setenv("TEMPORAL_ADDRESS", engine.state.address)
    home = tmp_path / ".outlive"
    async with Supervisor(settings_for(home), workers=0) as supervisor:
        client = await connect(settings_for(home))

        assert configured_cluster()
        assert client.service_client.config.target_host == engine.state.address
        assert supervisor.engine_pid is None
        assert supervisor.address == engine.state.address
    assert not (home / "engine.db").exists()


async def test_a_profile_names_the_cluster(engine, monkeypatch, tmp_path):
    file = tmp_path / "temporal.toml"
    file.write_text(f'[profile.there]\naddress = "{engine.state.address}"\nnamespace = "default"\n')
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    assert not configured_cluster()

    monkeypatch.setenv("TEMPORAL_PROFILE", "there")

    assert read_cluster().address == engine.state.address
    assert (await connect(settings_for(tmp_path))).namespace == "default"


def test_a_profile_that_does_not_exist_is_an_error_that_names_it(monkeypatch, tmp_path):
    monkeypatch.setenv("TEMPORAL_PROFILE", "elsewhere")

    with pytest.raises(SettingError, match="elsewhere"):
        configured_cluster()


def test_a_profile_without_an_address_is_an_error_that_names_it(monkeypatch, tmp_path):
    file = tmp_path / "temporal.toml"
    file.write_text('[profile.there]\nnamespace = "x"\n')
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    monkeypatch.setenv("TEMPORAL_PROFILE", "there")

    with pytest.raises(SettingError, match="there"):
        configured_cluster()


async def test_a_configured_cluster_that_does_not_answer_is_named(monkeypatch, tmp_path):
    settings = settings_for(tmp_path)
    monkeypatch.setenv("TEMPORAL_ADDRESS", f"127.0.0.1:{settings.port}")

    with pytest.raises(EngineUnavailable, match=f"127.0.0.1:{settings.port}"):
        await connect(settings)


async def test_a_lazy_connection_works_at_its_first_call(engine, task_queue):
    client = await connect(engine.settings, lazy=True)
    async with counting_worker(await connect(engine.settings), task_queue, Notes()):
        handle = await client.start_workflow("TestCounting", 3, id=task_queue, task_queue=task_queue)

        assert await result_of(handle) == 3


def test_importing_the_home_loads_nothing_heavy():
    heavy = "temporalio", "sqlalchemy", "pydantic"
    code = f"import sys, outlive.engine.home; print([m for m in {heavy} if m in sys.modules])"

    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"

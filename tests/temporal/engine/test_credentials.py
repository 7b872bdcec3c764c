"""Certificates and API keys reach the cluster through Temporal's own configuration, and nobody else."""

import traceback
from pathlib import Path

import pytest

from engines import settings_for
from outlive.engine.connection import connect, read_cluster
from outlive.errors import EngineUnavailable, SettingError
from temporal.engine.certificates import Authority, tls_door

SECRET = "PlantedApiKeyQzx"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = tmp_path / "temporal.toml"
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(file))
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)  # it goes before any profile
    return file


def profile(address: str, authority: Authority, *more: str) -> str:
    trusted = f'server_ca_cert_path = "{authority.cert}"\nserver_name = "localhost"'
    return "\n".join([f'[profile.default]\naddress = "{address}"\n[profile.default.tls]\n{trusted}', *more])


async def test_a_profile_with_a_certificate_is_let_in_by_a_server_that_asks_for_one(engine, config, tmp_path):
    authority = Authority(tmp_path)
    ours = authority.issue("a worker")
    async with tls_door(engine.state.address, authority) as door:
        shown = f'client_cert_path = "{ours.cert}"\nclient_key_path = "{ours.key}"'
        config.write_text(profile(door.address, authority, shown))

        client = await connect(settings_for(tmp_path / ".outlive"))

        assert await client.count_workflows() is not None
    assert set(door.names) == {"a worker"}


async def test_without_the_certificate_it_is_turned_away(engine, config, tmp_path):
    authority = Authority(tmp_path)
    async with tls_door(engine.state.address, authority) as door:
        config.write_text(profile(door.address, authority))

        with pytest.raises(EngineUnavailable, match=door.address):
            await connect(settings_for(tmp_path / ".outlive"))


async def test_a_server_with_a_certificate_of_another_authority_is_not_trusted(engine, config, tmp_path):
    (tmp_path / "other").mkdir()
    authority, other = Authority(tmp_path), Authority(tmp_path / "other")
    async with tls_door(engine.state.address, authority, asks_back=False) as door:
        config.write_text(profile(door.address, other))
        with pytest.raises(EngineUnavailable, match=door.address):
            await connect(settings_for(tmp_path / ".outlive"))

        config.write_text(profile(door.address, authority))
        assert await connect(settings_for(tmp_path / ".outlive"))


@pytest.mark.parametrize("way", ["profile", "environment"])
async def test_an_api_key_reaches_the_client_and_switches_tls_on(config, monkeypatch, tmp_path, way):
    if way == "profile":
        config.write_text(f'[profile.default]\naddress = "127.0.0.1:1"\napi_key = "{SECRET}"\n')
    else:
        monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
        monkeypatch.setenv("TEMPORAL_API_KEY", SECRET)

    client = await connect(settings_for(tmp_path / ".outlive"), lazy=True)

    assert client.service_client.config.api_key == SECRET
    assert client.service_client.config.tls is True


async def test_an_api_key_is_not_in_the_message_of_a_cluster_that_does_not_answer(config, tmp_path):
    config.write_text(f'[profile.default]\naddress = "127.0.0.1:1"\napi_key = "{SECRET}"\n')

    with pytest.raises(EngineUnavailable) as caught:
        await connect(settings_for(tmp_path / ".outlive"))

    assert SECRET not in everything_said(caught.value)
    assert SECRET not in repr(read_cluster())


@pytest.mark.parametrize("mistake", [f'api_key = "{SECRET}', f'api_key = ["{SECRET}"]', f"api_key = {SECRET}"])
def test_a_file_that_cannot_be_read_is_not_quoted(config, mistake):
    config.write_text(f'[profile.default]\naddress = "127.0.0.1:1"\n{mistake}\n')

    with pytest.raises(SettingError, match="line 3") as caught:
        read_cluster()

    assert SECRET not in everything_said(caught.value)


def everything_said(error: BaseException) -> str:
    return "".join(traceback.format_exception(error))

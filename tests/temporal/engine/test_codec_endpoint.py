"""The endpoint that Temporal's own tools ask: it decrypts for whoever has the token, and for nobody else."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from temporalio.api.common.v1 import Payload, Payloads

from engines import Notes, counting_worker, fresh, until
from outlive.codec_endpoint import LARGEST_REQUEST, codec_app, codec_server
from outlive.encryption.keys import generate_key
from outlive.engine.binary import find_binary
from outlive.engine.connection import connect, data_converter
from outlive.engine.ports import free_port
from outlive.settings import Settings

TOKEN = "a-token-of-some-length"
UI = "http://localhost:8233"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
VALUES = ["a short word", "a long word " * 20_000, {"k": [1, None]}]


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(home=tmp_path / ".outlive", keys=generate_key("k1").written())


@pytest.fixture
async def endpoint(settings: Settings) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=codec_app(settings, token=TOKEN, origins=[UI]))
    async with httpx.AsyncClient(transport=transport, base_url="http://codec") as asked:
        yield asked


async def written(settings: Settings) -> dict:
    payloads = await data_converter(settings).encode(VALUES)
    return MessageToDict(Payloads(payloads=payloads))


def read(answer: httpx.Response) -> list:
    return [json.loads(payload.data) for payload in ParseDict(answer.json(), Payloads()).payloads]


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/decode", BEARER), (f"/{TOKEN}/decode", {}), ("/decode?preserveStorageRefs=true", BEARER)],
)
async def test_with_the_token_values_are_decrypted_large_ones_too(settings, endpoint, path, headers):
    asked = await written(settings)

    answer = await endpoint.post(path, json=asked, headers=headers)

    assert "word" not in json.dumps(asked)
    assert answer.status_code == 200
    assert read(answer) == VALUES


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/decode", {}),
        ("/decode", {"Authorization": "Bearer another-token-of-some"}),
        ("/decode", {"Authorization": f"Basic {TOKEN}"}),
        ("/another-token-of-some/decode", {}),
        (f"/decode?token={TOKEN}", {}),
        ("/encode", {}),
    ],
)
async def test_without_the_token_nothing_is_told(settings, endpoint, path, headers):
    answer = await endpoint.post(path, json=await written(settings), headers=headers)

    assert answer.status_code == 401
    assert "word" not in answer.text


async def test_what_it_encrypts_it_decrypts(settings, endpoint):
    plain = Payload(metadata={"encoding": b"json/plain"}, data=b'"typed into the UI"')

    sealed = await endpoint.post("/encode", json=MessageToDict(Payloads(payloads=[plain])), headers=BEARER)
    opened = await endpoint.post("/decode", json=sealed.json(), headers=BEARER)

    assert "typed" not in sealed.text
    assert read(opened) == ["typed into the UI"]


@pytest.mark.parametrize(("origin", "is_let_in"), [(UI, True), ("http://evil.example", False)])
async def test_only_the_pages_that_were_named_may_call_it(endpoint, origin, is_let_in):
    asks = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type,x-namespace",
    }

    answer = await endpoint.options(f"/{TOKEN}/decode", headers=asks)

    assert (answer.headers.get("access-control-allow-origin") == origin) is is_let_in


async def test_without_the_key_the_answer_says_which_one_is_missing(settings, endpoint):
    others = replace(settings, keys=generate_key("k2").written())

    answer = await endpoint.post("/decode", json=await written(others), headers=BEARER)

    assert answer.status_code == 422
    assert "'k2'" in answer.json()["message"]


@pytest.mark.parametrize(
    ("content", "status"), [(b"no JSON", 422), (b"\xff", 422), (b" " * (LARGEST_REQUEST + 1), 413)]
)
async def test_a_request_that_is_none_is_refused(endpoint, content, status):
    answer = await endpoint.post("/decode", content=content, headers=BEARER)

    assert answer.status_code == status


async def test_temporals_own_command_shows_what_is_encrypted(engine, tmp_path):
    settings = replace(engine.settings, keys=generate_key("k1").written())
    client = await connect(settings)
    queue, word = fresh("codec"), "PlantedForTheCommand"
    async with counting_worker(client, queue, Notes()):
        handle = await client.start_workflow("TestCounting", 1, id=queue, task_queue=queue, memo={"word": word})
        await handle.result()
    async with serving(settings) as address:
        blind = await temporal(engine, "workflow", "describe", "-w", queue)
        shown = await temporal(
            engine,
            *("workflow", "describe", "-w", queue, "--codec-endpoint", address),
            "--codec-auth",
            f"Bearer {TOKEN}",
        )
        by_path = await temporal(engine, "workflow", "describe", "-w", queue, "--codec-endpoint", f"{address}/{TOKEN}")

    assert word not in blind
    assert word in shown
    assert word in by_path


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[str]:
    port = free_port()
    server = codec_server(settings, token=TOKEN, origins=[UI], host="127.0.0.1", port=port)
    task = asyncio.create_task(server.serve())
    await until(lambda: server.started, "the endpoint serves")
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await task


async def temporal(engine, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *(str((await find_binary()).path), *arguments, "--address", engine.state.address, "-o", "json"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()

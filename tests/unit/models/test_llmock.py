"""A whole process that misbehaves on purpose, and that judges its client: llmock, by other hands than ours."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
from pydantic import BaseModel

from outlive.models.answers import Request
from outlive.models.calls import Models
from outlive.models.llm import Llm
from outlive.models.outputs import prepare_output
from outlive.settings import Settings

MODEL = "openai:gpt-4o-mini"
Start = Callable[..., Awaitable[str]]


class Found(BaseModel):
    summary: str
    topics: list[str]


@pytest.fixture
async def llmock(unused_port: int, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Start]:
    servers: list[subprocess.Popen[bytes]] = []

    async def start(*options: str) -> str:
        command = [str(Path(sys.executable).with_name("llmock")), "serve", "--host", "127.0.0.1"]
        command += ["--port", str(unused_port), "--log-level", "error", *options]
        servers.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))  # noqa: ASYNC220
        url = f"http://127.0.0.1:{unused_port}"
        async with asyncio.timeout(30), aiohttp.ClientSession() as session:
            while True:
                try:
                    async with session.get(f"{url}/v1/models"):
                        break
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.1)
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
        monkeypatch.setenv("OPENAI_API_KEY", "mock-key")
        return url

    yield start
    for server in servers:
        server.terminate()
        server.wait(10)


async def test_every_call_is_answered_though_a_third_of_the_requests_fails(llmock):
    url = await llmock("--error-rate", "429=0.15", "--error-rate", "500=0.1", "--error-rate", "503=0.1")

    async with Models(Settings(model_attempts=12), first_backoff=0.01) as models:
        answers = await asyncio.gather(*(models.ask(Request(model=MODEL, text=f"text {n}")) for n in range(60)))

    assert len(answers) == 60
    assert all(answer.text and answer.output_tokens for answer in answers)
    async with aiohttp.ClientSession() as session, session.get(f"{url}/_llmock/verdict") as response:
        assert response.status == 200


async def test_structured_answers_fit_their_type(llmock):
    await llmock()

    async with Models(Settings()) as models:
        result = await Llm(models, model=MODEL, output=prepare_output(Found))("a text about bees")

    assert isinstance(result, Found)

"""What one model call costs in CPU, layer by layer, from bare aiohttp up to what a batch function calls.

    python bench/model_client.py [--calls 2000] [--in-flight 50] [--rounds 5] [--json FILE]

A server in a process of its own answers at once, so that what is left is the client's. Every layer sends the same
3,000 characters and reads the same answer of 430 bytes, over HTTP/1.1 with keep-alive on loopback. The layers are
measured in turns, `rounds` times; the table shows the median of the rounds, and the lowest and highest. CPU is this
process's user and system time: the server's is not in it. Imports and one warm-up of 50 calls come before the clock.
"""

import argparse
import asyncio
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

Call = Callable[[], Awaitable[object]]

TEXT = ("Outlive makes batches finish, whatever dies under them. " * 60)[:3000]
INSTRUCTION = "Summarise the document in two sentences and name its topics."
SCHEMA = {
    "type": "object",
    "title": "Analysis",
    "properties": {"summary": {"type": "string"}, "topics": {"type": "array", "items": {"type": "string"}}},
    "required": ["summary", "topics"],
    "additionalProperties": False,
}
MODEL = "openai:gpt-4o-mini"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    options.add_argument("--calls", type=int, default=2000, help="calls of one layer in one round")
    options.add_argument("--in-flight", type=int, default=50)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--json", type=Path, help="write all figures here")
    options.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    given = options.parse_args()
    asyncio.run(serve() if given.serve else measure(given))


# -- the server: the least that speaks HTTP


async def serve() -> None:
    content = json.dumps(
        {"summary": "A sentence on what it is about. " * 3, "topics": ["durability", "batches", "cost"]}
    )
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    body = json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": "gpt-4o-mini",
            "choices": [choice],
            "usage": {"prompt_tokens": 650, "completion_tokens": 60, "total_tokens": 710},
        }
    ).encode()
    answer = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)
    server = await asyncio.get_running_loop().create_server(lambda: AnswersAtOnce(answer), "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


class AnswersAtOnce(asyncio.Protocol):
    """The server's end of one connection."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:  # noqa: D102
        self.transport: Any = transport

    def data_received(self, data: bytes) -> None:  # noqa: D102
        self.received += data
        while (end := self.received.find(b"\r\n\r\n")) >= 0:
            head = self.received[:end].lower()
            start = head.find(b"content-length:") + 15
            size = end + 4 + int(head[start : head.find(b"\r\n", start) if head.find(b"\r\n", start) > 0 else None])
            if len(self.received) < size:
                return
            self.received = self.received[size:]
            self.transport.write(self.answer)


@asynccontextmanager
async def server() -> AsyncIterator[str]:
    process = await asyncio.create_subprocess_exec(sys.executable, __file__, "--serve", stdout=asyncio.subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(await process.stdout.readline())}/v1"
    finally:
        process.kill()
        await process.wait()


# -- the layers


@asynccontextmanager
async def layers(url: str) -> AsyncIterator[dict[str, Call]]:
    import aiohttp
    import httpx2
    from httpx_aiohttp.httpx2 import AiohttpTransport
    from openai import AsyncOpenAI
    from pydantic_core import to_json

    os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"] = url, "bench"
    messages = [{"role": "system", "content": INSTRUCTION}, {"role": "user", "content": TEXT}]
    body = {"model": "gpt-4o-mini", "messages": messages}
    completions = f"{url}/chat/completions"
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), trust_env=False)
    httpx_client = httpx2.AsyncClient(transport=AiohttpTransport(client=session), timeout=60)
    sdk = AsyncOpenAI(http_client=httpx_client, max_retries=0)

    async def bare() -> None:
        headers = {"content-type": "application/json", "authorization": "Bearer bench"}
        async with session.post(completions, data=to_json(body), headers=headers) as response:
            json.loads(await response.read())

    async def httpx_aiohttp() -> None:
        (await httpx_client.post(completions, json=body)).json()

    async def openai_sdk() -> None:
        await sdk.chat.completions.create(model="gpt-4o-mini", messages=messages)  # type: ignore[arg-type]

    async with ours() as upper:
        yield {
            "bare aiohttp": bare,
            "httpx2 on aiohttp (httpx-aiohttp)": httpx_aiohttp,
            "openai SDK on that": openai_sdk,
            **pydantic_ai(sdk),
            **upper,
        }
    await httpx_client.aclose()
    await session.close()


def pydantic_ai(sdk: Any) -> dict[str, Call]:
    from pydantic_ai import Agent
    from pydantic_ai.direct import model_request
    from pydantic_ai.messages import InstructionPart, ModelRequest
    from pydantic_ai.models import ModelRequestParameters
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.output import OutputObjectDefinition
    from pydantic_ai.providers.openai import OpenAIProvider

    model = OpenAIChatModel("gpt-4o-mini", provider=OpenAIProvider(openai_client=sdk))
    instruction = [InstructionPart(content=INSTRUCTION)]
    plain = ModelRequestParameters(instruction_parts=instruction)
    structured = ModelRequestParameters(
        instruction_parts=instruction,
        output_mode="native",
        output_object=OutputObjectDefinition(json_schema=SCHEMA, name="Analysis"),
        allow_text_output=False,
    )
    agent = Agent(model, instructions=INSTRUCTION)

    async def model_request_method() -> None:
        await model.request([ModelRequest.user_text_prompt(TEXT)], None, plain)

    async def direct() -> None:
        await model_request(model, [ModelRequest.user_text_prompt(TEXT)], model_request_parameters=plain)

    async def direct_structured() -> None:
        await model_request(model, [ModelRequest.user_text_prompt(TEXT)], model_request_parameters=structured)

    async def agent_run() -> None:
        await agent.run(TEXT)

    return {
        "pydantic-ai Model.request on that": model_request_method,
        "pydantic-ai direct on that": direct,
        "pydantic-ai direct, structured": direct_structured,
        "pydantic-ai Agent.run on that": agent_run,
    }


@asynccontextmanager
async def ours() -> AsyncIterator[dict[str, Call]]:
    from pydantic import BaseModel
    from pydantic_ai.direct import model_request
    from pydantic_ai.messages import InstructionPart, ModelRequest
    from pydantic_ai.models import ModelRequestParameters

    from outlive.models.answers import Request
    from outlive.models.calls import Models
    from outlive.models.llm import Llm
    from outlive.models.outputs import prepare_output
    from outlive.settings import Settings

    class Analysis(BaseModel):
        summary: str
        topics: list[str]

    output = prepare_output(Analysis)
    async with Models(Settings()) as models:
        lean = await models.pydantic_ai_model(MODEL)
        parameters = ModelRequestParameters(instruction_parts=[InstructionPart(content=INSTRUCTION)])
        document = iter(range(1_000_000_000))

        async def lean_direct() -> None:
            await model_request(lean, [ModelRequest.user_text_prompt(TEXT)], model_request_parameters=parameters)

        async def ask() -> None:
            await models.ask(Request(model=MODEL, text=TEXT, instruction=INSTRUCTION))

        async def llm_text() -> None:
            key = f"batch/bench/{next(document)}"
            await Llm(models, model=MODEL, instruction=INSTRUCTION, idempotency_key=key)(TEXT)

        async def llm_structured() -> None:
            key = f"batch/bench/{next(document)}"
            await Llm(models, model=MODEL, instruction=INSTRUCTION, output=output, idempotency_key=key)(TEXT)

        async def offline() -> None:
            await Llm(models, model="offline:extractive", output=output)(TEXT)

        yield {
            "pydantic-ai direct on our lean client": lean_direct,
            "outlive Models.ask": ask,
            "outlive Llm, text": llm_text,
            "outlive Llm, structured": llm_structured,
            "outlive Llm, structured, offline:extractive": offline,
        }


# -- the measuring


async def measure(given: argparse.Namespace) -> None:
    figures: dict[str, list[tuple[float, float]]] = {}
    async with server() as url, layers(url) as calls:
        for call in calls.values():
            await run(call, 50, given.in_flight)
        for _ in range(given.rounds):
            for name, call in calls.items():
                figures.setdefault(name, []).append(await run(call, given.calls, given.in_flight))
    report(figures, given)


async def run(call: Call, count: int, in_flight: int) -> tuple[float, float]:
    """Return CPU milliseconds a call and calls a second."""
    left = iter(range(count))

    async def worker() -> None:
        for _ in left:
            await call()

    cpu, wall = time.process_time(), time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(in_flight)))
    return (time.process_time() - cpu) / count * 1000, count / (time.perf_counter() - wall)


def report(figures: dict[str, list[tuple[float, float]]], given: argparse.Namespace) -> None:
    machine = f"Python {platform.python_version()}, {os.cpu_count()} cores"
    print(f"{machine}; median of {given.rounds} rounds of {given.calls} calls, {given.in_flight} in flight, latency 0;")
    print(f"load average {os.getloadavg()[0]:.1f} at the end\n")
    print("| layer | CPU ms a call: median | lowest | highest | calls/s (median) |\n|---|---|---|---|---|")
    for name, rounds in figures.items():
        cpu = sorted(figure[0] for figure in rounds)
        rate = statistics.median(figure[1] for figure in rounds)
        print(f"| {name} | {statistics.median(cpu):.3f} | {cpu[0]:.3f} | {cpu[-1]:.3f} | {rate:,.0f} |")
    if given.json:
        given.json.write_text(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()

"""What a model server does to a call when something is wrong with it: to be put into `Outside.plan`."""

import asyncio
import json

from aiohttp import web

from outlive.testing.loopback import json_response
from outside import Mishap, begun, chunks, streamed


def refusal(status: int, code: str, message: str, *, retry_after: float | None = None) -> Mishap:
    """An error as OpenAI words it."""
    error = {"message": message, "type": code, "param": None, "code": code}
    headers = {} if retry_after is None else {"Retry-After": f"{retry_after:g}"}

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return json_response({"error": error}, status=status, headers=headers)

    return answer


def bare(status: int, text: str) -> Mishap:
    """An answer that is no JSON, as proxies give them."""

    async def answer(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(text=text, status=status, content_type="text/html")

    return answer


def told(*lines: str) -> Mishap:
    """A stream of server-sent events with anything in them."""

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        response = await begun(request)
        for line in lines:
            await response.write(f"data: {line}\n\n".encode())
        await response.write_eof()
        return response

    return answer


async def cut(request: web.BaseRequest) -> web.StreamResponse:
    """A stream whose connection breaks in the middle of a sentence that reads like a whole one."""
    response = await begun(request)
    for chunk in chunks(text="It is done. And more will follow.")[:2]:
        await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    await asyncio.sleep(0)
    assert request.transport is not None
    request.transport.abort()
    return response


ended_early = told(*(json.dumps(chunk) for chunk in chunks(text="It is done. And more will follow.")[:2]))
"""A stream that closes in good order, but has said no end."""

ended_early_with_done = told(
    *(json.dumps(chunk) for chunk in chunks(text="It is done. And more will follow.")[:2]), "[DONE]"
)
"""A stream that says it is over, but not why."""


async def stall(request: web.BaseRequest) -> web.StreamResponse:
    """A stream that begins, and then says nothing any more."""
    response = await begun(request)
    await response.write(b"data: " + json.dumps(chunks(text="It is")[0]).encode() + b"\n\n")
    await asyncio.Event().wait()
    return response


async def silence(_: web.BaseRequest) -> web.StreamResponse:
    """No answer at all."""
    await asyncio.Event().wait()
    raise AssertionError


def misspelt_call(name: str, arguments: str) -> Mishap:
    """A whole answer that calls a tool in a way that the tool does not take."""
    call = {"id": "call_bad", "type": "function", "function": {"name": name, "arguments": arguments}}

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return await streamed(request, chunks(calls=[call]))

    return answer

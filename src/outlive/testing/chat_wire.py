"""The wire format of OpenAI's chat completions, as pretended servers speak it: whole answers, streams and errors."""

import asyncio
import json
import time
from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from aiohttp import web

from outlive.testing.loopback import json_response


class Ending(StrEnum):
    """How the sending of an answer ends."""

    WHOLE = "whole"
    CUT = "cut"
    """Halfway: the connection closes, or a stream has no finish."""
    STALL = "stall"
    """Halfway, with the connection open for as long as the client waits."""


def error_response(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> web.Response:
    """Return an error as the provider words it."""
    error = {"message": message, "type": code, "param": None, "code": code}
    return json_response({"error": error}, status=status, headers=headers)


def refused_key() -> web.Response:
    """Return the answer to a wrong key."""
    return error_response(401, "invalid_api_key", "Incorrect API key provided.")


def unknown_path(path: str) -> web.Response:
    """Return the answer to a path that is not served."""
    return json_response({"error": {"message": f"No such path: {path}", "code": "not_found"}}, status=404)


def described_model(name: str, default: str) -> web.Response:
    """Return what ``GET /v1/models/NAME`` answers; the list of all models where no name is given."""
    listed = {"id": name or default, "object": "model", "created": 0, "owned_by": "outlive"}
    return json_response(listed if name else {"object": "list", "data": [listed]})


def token_usage(prompt_tokens: int, completion_tokens: int) -> dict[str, int]:
    """Return the usage of one call."""
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
    }


async def send_whole(
    request: web.BaseRequest,
    body: dict[str, Any],
    message: dict[str, Any],
    usage: dict[str, int],
    *,
    ending: Ending = Ending.WHOLE,
    finish_reason: str | None = None,
) -> web.StreamResponse:
    """Send an answer in one piece, to its end or halfway."""
    choice = {"index": 0, "message": message, "finish_reason": finish_reason or _reason(message), "logprobs": None}
    answer = json.dumps(_envelope(body, "chat.completion") | {"choices": [choice], "usage": usage}).encode()
    if ending is Ending.WHOLE:
        response = web.Response(body=answer, content_type="application/json")
        await response.prepare(request)
        await response.write_eof()
        return response
    cut = web.StreamResponse(headers={"Content-Type": "application/json", "Content-Length": str(len(answer))})
    await cut.prepare(request)
    await cut.write(answer[: len(answer) // 2])
    if ending is Ending.STALL:
        await _forever()
    if request.transport is not None:
        request.transport.close()
    return cut


async def send_stream(
    request: web.BaseRequest,
    body: dict[str, Any],
    message: dict[str, Any],
    usage: dict[str, int],
    *,
    characters: int,
    pause: float = 0.0,
    ending: Ending = Ending.WHOLE,
    finish_reason: str | None = None,
) -> web.StreamResponse:
    """Send an answer as server-sent events, to its end or halfway.

    Args:
        characters: Most characters of one delta.
        pause: Seconds before each delta.
    """
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    deltas = list(_deltas(message, characters))
    for delta in deltas if ending is Ending.WHOLE else deltas[: len(deltas) // 2]:
        if pause:
            await asyncio.sleep(pause)
        await _send(response, body, [{"index": 0, "delta": delta, "finish_reason": None}])
    if ending is Ending.STALL:
        await _forever()
    if ending is Ending.WHOLE:
        reason = finish_reason or _reason(message)
        await _send(response, body, [{"index": 0, "delta": {}, "finish_reason": reason}])
        if (body.get("stream_options") or {}).get("include_usage"):
            await _send(response, body, [], usage)
        await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    return response


def _reason(message: dict[str, Any]) -> str:
    return "tool_calls" if message.get("tool_calls") else "stop"


def _envelope(body: dict[str, Any], kind: str) -> dict[str, Any]:
    return {
        "id": "chatcmpl-outlive",
        "object": kind,
        "created": int(time.time()),
        "model": body.get("model", "outlive"),
    }


def _deltas(message: dict[str, Any], characters: int) -> Iterator[dict[str, Any]]:
    text = message["content"]
    yield {"role": "assistant", "content": None if text is None else ""}
    for piece in _pieces(text or "", characters):
        yield {"content": piece}
    for place, call in enumerate(message.get("tool_calls", ())):
        yield {"tool_calls": [call | {"index": place, "function": call["function"] | {"arguments": ""}}]}
        for piece in _pieces(call["function"]["arguments"], characters):
            yield {"tool_calls": [{"index": place, "function": {"arguments": piece}}]}


def _pieces(text: str, characters: int) -> Iterator[str]:
    return (text[start : start + characters] for start in range(0, len(text), characters))


async def _send(
    response: web.StreamResponse,
    body: dict[str, Any],
    choices: list[dict[str, Any]],
    usage: dict[str, int] | None = None,
) -> None:
    chunk = _envelope(body, "chat.completion.chunk") | {"choices": choices, "usage": usage}
    await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")


async def _forever() -> None:
    await asyncio.Event().wait()

"""A model server for agents that answers by a script: the same conversation always gets the same reply.

In a test::

    script = replies(Reply(tool_calls=[("add", {"a": 1, "b": 2})]), "The sum is 3.")
    async with ScriptedModelServer(script, faults={0: "rate_limit:0.2"}) as server:
        ...  # OPENAI_BASE_URL = server.base_url
        server.counts.totals()

In a process of its own, with ``SCRIPT`` a function of messages and tools, or a list of replies::

    python -m outlive.testing.scripted_model --script replies.py:SCRIPT --port 0 --log calls.jsonl --fault 2=cut

It prints its address. ``GET /_counts`` tells what it saw: calls, and how many of them were repeats, known by the
digest of the request body. ``POST /_faults`` with ``{"4": "error"}`` says what goes wrong next. The log gets a line of
JSON for each request when it arrives, and outlives the server.
"""

import argparse
import asyncio
import hashlib
import json
import runpy
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from aiohttp import web

from outlive.testing.call_counts import CallCounts
from outlive.testing.chat_wire import (
    Ending,
    described_model,
    error_response,
    refused_key,
    send_stream,
    send_whole,
    token_usage,
    unknown_path,
)
from outlive.testing.loopback import LoopbackServer, json_response, serve_until_signalled

MODEL_NAME = "scripted"
STREAMED_CHARACTERS = 12
_CHARACTERS_PER_TOKEN = 4
_GARBAGE = b"<html><body>502 Bad Gateway</body></html>"
_GARBAGE_EVENT = b'data: {"choices": [{"delta": {"content": "\n\n'


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What the model says.

    Attributes:
        text: Its words.
        tool_calls: Names of tools with the arguments of a call.
        finish_reason: ``tool_calls`` where there are some, else ``stop``; ``length`` for an answer that was cut short.
        input_tokens: None has a fourth of the characters of the request.
        output_tokens: None has a fourth of the characters of the reply.
        latency: Seconds before it begins; None has the server's.
    """

    text: str = ""
    tool_calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    finish_reason: str | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    latency: float | None = None


Script = Callable[[list[dict[str, Any]], list[dict[str, Any]]], "Reply | str"]
"""``script(messages, tools)``, both as the request has them. It must give the same reply to the same request."""


class FaultKind(StrEnum):
    """What goes wrong with one call."""

    RATE_LIMIT = "rate_limit"
    """429 with ``Retry-After``: ``rate_limit:2.5`` asks to wait 2.5 seconds, 1 where none is said."""
    ERROR = "error"
    """500."""
    REFUSED = "refused"
    """401, as for a wrong key."""
    CUT = "cut"
    """The answer ends halfway."""
    STALL = "stall"
    """The answer stops halfway, the connection stays open."""
    GARBAGE = "garbage"
    """The answer is not JSON."""


def replies(*said: Reply | str) -> Script:
    """Return a script that goes through replies: the first to a new conversation, the next after each answer in it.

    A conversation that goes on beyond the last one is answered 400.
    """

    def script(messages: list[dict[str, Any]], _: list[dict[str, Any]]) -> Reply | str:
        place = answers_so_far(messages)
        if place >= len(said):
            raise IndexError(f"The script has {len(said)} replies, and the conversation has {place} answers.")
        return said[place]

    return script


def answers_so_far(messages: list[dict[str, Any]]) -> int:
    """Return how many messages of a conversation are the model's."""
    return sum(message.get("role") == "assistant" for message in messages)


class ScriptedModelServer(LoopbackServer):
    """The server, in this process.

    Args:
        script: Makes the replies; see `replies` for a list of them.
        port: 0 takes a free one.
        latency: Seconds from request to reply.
        pause: Seconds before each delta of a stream.
        faults: What goes wrong, by the index of the call in the order of arrival, from 0: a `FaultKind`, or
            ``rate_limit:SECONDS``.
        log: File that gets a line for each request.

    Raises:
        ValueError: A fault is unknown.
    """

    def __init__(
        self,
        script: Script,
        *,
        port: int = 0,
        latency: float = 0.0,
        pause: float = 0.0,
        faults: Mapping[int, str] | None = None,
        log: Path | None = None,
    ) -> None:
        super().__init__(self._handle, port=port)
        self.counts = CallCounts()
        self.latency = latency
        self.pause = pause
        self._script = script
        self._faults = {index: _parsed(fault) for index, fault in (faults or {}).items()}
        self._log = log

    @property
    def base_url(self) -> str:
        """What an OpenAI client calls its base URL."""
        return f"{self.address}/v1"

    def fail(self, call: int, fault: str) -> None:
        """Let a call go wrong, by its index from 0.

        Raises:
            ValueError: The fault is unknown.
        """
        self._faults[call] = _parsed(fault)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/v1/chat/completions":
            return await self._chat(request)
        if request.path.startswith("/v1/models"):
            return described_model(request.path.removeprefix("/v1/models").strip("/"), MODEL_NAME)
        if request.path == "/_counts":
            by_digest = self.counts.by_document(only_repeated=False)
            return json_response(self.counts.totals() | {"by_digest": by_digest})
        if request.path == "/_faults":
            return await self._take_faults(request)
        return unknown_path(request.path)

    async def _take_faults(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            for index, fault in json.loads(await request.read()).items():
                self.fail(int(index), fault)
        except ValueError as error:
            return error_response(400, "bad_fault", str(error))
        return json_response({"calls": self.counts.calls})

    async def _chat(self, request: web.BaseRequest) -> web.StreamResponse:
        content = await request.read()
        body = json.loads(content)
        digest = digest_of(body)
        index = self.counts.calls
        key = request.headers.get("Idempotency-Key")
        document, place = self.counts.begin(digest, key, time.time())
        self._note(at=time.time(), index=index, digest=digest, key=key, answers=answers_so_far(body["messages"]))
        try:
            fault, seconds = self._faults.get(index, (None, 1.0))
            refusal = _refusal(fault, seconds)
            if refusal is not None:
                document.faults += 1
                self.counts.faulted += 1
                return refusal
            response = await self._answer(request, body, len(content), fault)
            is_sent = request.transport is not None and not request.transport.is_closing()
            if fault is None and is_sent and response.status == 200:
                document.ended[place] = time.time()
                self.counts.completed += 1
            return response
        finally:
            self.counts.in_flight -= 1

    async def _answer(
        self, request: web.BaseRequest, body: dict[str, Any], size: int, fault: FaultKind | None
    ) -> web.StreamResponse:
        if fault is FaultKind.GARBAGE:
            return await _send_garbage(request, is_stream=bool(body.get("stream")))
        try:
            said = self._script(body["messages"], body.get("tools") or [])
        except Exception as error:  # noqa: BLE001 - the script is the user's: whatever it raises is told to the client
            return error_response(400, "script_failed", f"{type(error).__name__}: {error}")
        reply = Reply(text=said) if isinstance(said, str) else said
        await asyncio.sleep(self.latency if reply.latency is None else reply.latency)
        message = _message(reply, answers_so_far(body["messages"]))
        usage = _usage(reply, size, message)
        ending = {FaultKind.CUT: Ending.CUT, FaultKind.STALL: Ending.STALL}.get(fault or FaultKind.ERROR, Ending.WHOLE)
        if not body.get("stream"):
            return await send_whole(request, body, message, usage, ending=ending, finish_reason=reply.finish_reason)
        return await send_stream(
            request,
            body,
            message,
            usage,
            characters=STREAMED_CHARACTERS,
            pause=self.pause,
            ending=ending,
            finish_reason=reply.finish_reason,
        )

    def _note(self, **values: Any) -> None:
        if self._log is not None:
            with self._log.open("a") as file:  # closed each time: whoever reads it sees every request
                file.write(f"{json.dumps(values)}\n")


def digest_of(body: Mapping[str, Any]) -> str:
    """Return what a request is known by: 24 hexadecimal characters, the same for the same body."""
    return hashlib.blake2b(json.dumps(body, sort_keys=True).encode(), digest_size=12).hexdigest()


def read_log(log: Path) -> list[dict[str, Any]]:
    """Return the requests that a server has logged: ``at``, ``index``, ``digest``, ``key``, ``answers``."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def _parsed(fault: str) -> tuple[FaultKind, float]:
    kind, _, seconds = fault.partition(":")
    if kind not in set(FaultKind):
        raise ValueError(f"Unknown fault {fault!r}. Known ones: {', '.join(FaultKind)}.")
    return FaultKind(kind), float(seconds or 1.0)


def _refusal(fault: FaultKind | None, seconds: float) -> web.Response | None:
    if fault is FaultKind.RATE_LIMIT:
        headers = {"Retry-After": f"{seconds:g}"}
        return error_response(429, "rate_limit_exceeded", "Rate limit reached.", headers)
    if fault is FaultKind.ERROR:
        return error_response(500, "server_error", "The server had an error.")
    if fault is FaultKind.REFUSED:
        return refused_key()
    return None


async def _send_garbage(request: web.BaseRequest, *, is_stream: bool) -> web.StreamResponse:
    if not is_stream:
        return web.Response(body=_GARBAGE, content_type="application/json")
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    await response.write(_GARBAGE_EVENT)
    await response.write_eof()
    return response


def _message(reply: Reply, answers: int) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": reply.text or (None if reply.tool_calls else "")}
    if reply.tool_calls:
        message["tool_calls"] = [
            {
                "id": f"call_{answers}_{place}",  # the same in each repeat, another in each turn
                "type": "function",
                "function": {"name": name, "arguments": json.dumps(arguments)},
            }
            for place, (name, arguments) in enumerate(reply.tool_calls)
        ]
    return message


def _usage(reply: Reply, size: int, message: dict[str, Any]) -> dict[str, int]:
    estimated = (size // _CHARACTERS_PER_TOKEN, len(json.dumps(message)) // _CHARACTERS_PER_TOKEN)
    return token_usage(
        estimated[0] if reply.input_tokens is None else reply.input_tokens,
        estimated[1] if reply.output_tokens is None else reply.output_tokens,
    )


def _loaded(script: str) -> Script:
    path, _, name = script.rpartition(":")
    found = runpy.run_path(path).get(name) if path else None
    if callable(found):
        return found  # type: ignore[no-any-return]
    if isinstance(found, Sequence) and not isinstance(found, str):
        return replies(*found)
    raise SystemExit(f"{script!r} names no script. Write FILE.py:NAME, NAME a function or a list of replies.")


def _numbered(fault: str) -> tuple[int, str]:
    index, equals, kind = fault.partition("=")
    if not equals:
        raise ValueError(fault)
    _parsed(kind)
    return int(index), kind


def main() -> None:
    """Serve from the command line until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m outlive.testing.scripted_model", description=main.__doc__)
    parser.add_argument("--script", required=True, metavar="FILE.py:NAME", help="a function, or a list of replies")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds from request to reply")
    parser.add_argument("--pause", type=float, default=0.0, help="seconds before each delta of a stream")
    parser.add_argument("--log", type=Path, help="file that gets a line for each request")
    parser.add_argument(
        "--fault", type=_numbered, action="append", default=[], metavar="INDEX=KIND", help=", ".join(FaultKind)
    )
    arguments = vars(parser.parse_args())
    faults = dict(arguments.pop("fault"))
    script = _loaded(arguments.pop("script"))
    asyncio.run(serve_until_signalled(ScriptedModelServer(script, faults=faults, **arguments)))


if __name__ == "__main__":
    main()

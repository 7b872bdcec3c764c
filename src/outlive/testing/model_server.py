"""A counting model server: OpenAI-compatible, deterministic, cheap, and as unreliable as it is told to be.

``python -m outlive.testing.model_server --port 0 --latency 0.2`` prints its address; in a test::

    async with ModelServer(latency=0.01, faults=Faults(error_share=0.1)) as server:
        ...  # OPENAI_BASE_URL = server.base_url
        server.counts.totals()

What it saw is at ``GET /_counts`` (``?documents=all`` or ``?documents=repeated`` adds each document's calls);
``POST /_set`` changes latency and faults while it serves, ``POST /_reset`` forgets the counts. A document is known by
the first group of ``marker`` where the prompt has it, else by the digest of the last user message.
"""

import argparse
import asyncio
import hashlib
import json
import random
import re
import time
import zlib
from dataclasses import asdict, dataclass, replace
from typing import Any

from aiohttp import web

from outlive.testing.answers import fitting_answer, plain_answer
from outlive.testing.call_counts import CallCounts, DocumentCalls
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

DEFAULT_MARKER = r"\[document ([^\]\s]+)\]"
MODEL_NAME = "counting"
STREAMED_CHARACTERS = 60


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What goes wrong, and how often. A share is decided by document and attempt, so that a repeat can go well.

    Attributes:
        calls_per_second: Above this rate the answer is 429.
        retry_after: The ``Retry-After`` of a 429, in seconds.
        error_share: How many calls are answered 503.
        cut_share: How many answers end before their end: the connection closes, or a stream has no finish.
        invalid_share: How many structured answers are not JSON.
        refuse_key: Every call is answered 401.
        quota: After so many calls, every further one is answered 429 ``insufficient_quota``; 0 has no limit.
    """

    calls_per_second: float = 0.0
    retry_after: float = 1.0
    error_share: float = 0.0
    cut_share: float = 0.0
    invalid_share: float = 0.0
    refuse_key: bool = False
    quota: int = 0


class ModelServer(LoopbackServer):
    """The server, in this process.

    Args:
        port: 0 takes a free one.
        latency: Seconds from request to answer; with ``sigma`` the median of a log-normal distribution.
        sigma: Spread of the latency; 0 has none.
        faults: What goes wrong.
        marker: Regular expression whose first group names the document in a prompt.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        latency: float = 0.0,
        sigma: float = 0.0,
        faults: Faults | None = None,
        marker: str = DEFAULT_MARKER,
    ) -> None:
        super().__init__(self._handle, port=port)
        self.latency = latency
        self.sigma = sigma
        self.faults = faults or Faults()
        self.counts = CallCounts()
        self._marker = re.compile(marker)
        self._allowance = 0.0
        self._allowed_at = time.monotonic()

    @property
    def base_url(self) -> str:
        """What an OpenAI client calls its base URL."""
        return f"{self.address}/v1"

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/v1/chat/completions":
            return await self._chat(request)
        if request.path.startswith("/v1/models"):
            name = request.path.removeprefix("/v1/models").strip("/")
            return refused_key() if self.faults.refuse_key else described_model(name, MODEL_NAME)
        if request.path.startswith("/_"):
            return await self._control(request)
        return unknown_path(request.path)

    async def _control(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/_counts":
            wanted = request.query.get("documents")
            totals = self.counts.totals()
            if wanted:
                totals["by_document"] = self.counts.by_document(only_repeated=wanted == "repeated")
            return json_response(totals)
        if request.path == "/_reset":
            self.counts = CallCounts()
        elif request.path == "/_set":
            changes = json.loads(await request.read())
            self.latency = changes.pop("latency", self.latency)
            self.sigma = changes.pop("sigma", self.sigma)
            self.faults = replace(self.faults, **changes)
        return json_response({"latency": self.latency, "sigma": self.sigma, **asdict(self.faults)})

    async def _chat(self, request: web.BaseRequest) -> web.StreamResponse:
        body = json.loads(await request.read())
        text = _user_text(body["messages"])
        found = self._marker.search(text)
        name = found[1] if found else hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
        counts = self.counts
        document, place = counts.begin(name, request.headers.get("Idempotency-Key"), time.time())
        try:
            await self._wait(name, place)
            refusal = self._fault(name, place)
            if refusal is not None:
                document.faults += 1
                counts.faulted += 1
                return refusal
            return await self._answer(request, body, text, (name, document, place))
        finally:
            counts.in_flight -= 1

    async def _wait(self, name: str, place: int) -> None:
        if self.sigma:
            chance = random.Random(f"{name} {place}")  # noqa: S311 - the same latency for the same call
            await asyncio.sleep(self.latency * chance.lognormvariate(0.0, self.sigma))
        elif self.latency:
            await asyncio.sleep(self.latency)

    def _fault(self, name: str, place: int) -> web.Response | None:
        faults = self.faults
        if faults.refuse_key:
            return refused_key()
        if faults.quota and self.counts.calls - self.counts.faulted > faults.quota:
            return error_response(429, "insufficient_quota", "You exceeded your current quota.")
        if faults.calls_per_second and not self._is_allowed(faults.calls_per_second):
            headers = {"Retry-After": f"{faults.retry_after:g}"}
            return error_response(429, "rate_limit_exceeded", "Rate limit reached.", headers)
        if _happens("error", faults.error_share, name, place):
            return error_response(503, "overloaded", "The server is overloaded.")
        return None

    def _is_allowed(self, rate: float) -> bool:
        now = time.monotonic()
        self._allowance = min(max(rate, 1.0), self._allowance + (now - self._allowed_at) * rate)
        self._allowed_at = now
        if self._allowance < 1.0:
            return False
        self._allowance -= 1.0
        return True

    async def _answer(
        self, request: web.BaseRequest, body: dict[str, Any], text: str, call: tuple[str, DocumentCalls, int]
    ) -> web.StreamResponse:
        name, document, place = call
        message = _message(body, text, is_spoiled=_happens("invalid", self.faults.invalid_share, name, place))
        usage = _usage(text, message)
        is_cut = _happens("cut", self.faults.cut_share, name, place)
        ending = Ending.CUT if is_cut else Ending.WHOLE
        if body.get("stream"):
            response = await send_stream(request, body, message, usage, characters=STREAMED_CHARACTERS, ending=ending)
        else:
            response = await send_whole(request, body, message, usage, ending=ending)
        if request.transport is not None and not request.transport.is_closing() and not is_cut:
            document.ended[place] = time.time()
            self.counts.completed += 1
        return response


def _happens(kind: str, share: float, name: str, place: int) -> bool:
    return share > 0 and zlib.crc32(f"{kind} {name} {place}".encode()) < share * 2**32


def _user_text(messages: list[dict[str, Any]]) -> str:
    for message in reversed(messages):
        if message.get("role") == "user":
            content = message.get("content")
            if isinstance(content, str):
                return content
            return "".join(part.get("text", "") for part in content or ())
    return ""


def _message(body: dict[str, Any], text: str, *, is_spoiled: bool) -> dict[str, Any]:
    tools = body.get("tools")
    if tools and body.get("tool_choice") != "none":
        function = tools[0]["function"]
        answer = json.dumps(fitting_answer(function.get("parameters", {}), text))
        called = {"name": function["name"], "arguments": answer[:-2] if is_spoiled else answer}
        identity = f"call_{zlib.crc32(text.encode()):08x}"
        return {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": identity, "type": "function", "function": called}],
        }
    wanted = body.get("response_format") or {}
    if wanted.get("type") == "json_schema":
        answer = json.dumps(fitting_answer(wanted["json_schema"]["schema"], text))
    elif wanted.get("type") == "json_object":
        answer = json.dumps({"answer": plain_answer(text)})
    else:
        return {"role": "assistant", "content": plain_answer(text)}
    return {"role": "assistant", "content": answer[:-2] if is_spoiled else answer}


def _usage(text: str, message: dict[str, Any]) -> dict[str, int]:
    answer = message["content"] or message["tool_calls"][0]["function"]["arguments"]
    return token_usage(len(text) // 4 + 1, len(answer) // 4 + 1)


def main() -> None:
    """Serve from the command line until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m outlive.testing.model_server", description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--latency", type=float, default=0.0, help="seconds; the median where --sigma is given")
    parser.add_argument("--sigma", type=float, default=0.0, help="spread of a log-normal latency")
    parser.add_argument("--marker", default=DEFAULT_MARKER, help="its first group names the document in a prompt")
    for name, value in asdict(Faults()).items():
        flag = f"--{name.replace('_', '-')}"
        if isinstance(value, bool):
            parser.add_argument(flag, action="store_true")
        else:
            parser.add_argument(flag, type=type(value), default=value)
    arguments = vars(parser.parse_args())
    faults = Faults(**{name: arguments.pop(name) for name in asdict(Faults())})
    asyncio.run(serve_until_signalled(ModelServer(faults=faults, **arguments)))


if __name__ == "__main__":
    main()

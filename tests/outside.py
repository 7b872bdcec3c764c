"""The world outside of an agent, in one server that counts: its model, and the place that its tool acts on.

The model calls the tool ``act`` as often as the last prompt says (``[run NAME] Act 12 times.``), once per answer or,
with ``Act 3 times at once.``, all in one; then it says how often it acted. What goes wrong is said call by call:
`Outside.plan` holds what the next model calls meet, `Outside.hold` keeps answers back.
"""

import asyncio
import json
import re
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from outlive.testing.loopback import LoopbackServer, json_response

PROMPT = re.compile(r"\[run ([^\]]+)\](?: Act (\d+) times)?( at once)?")
PIECE = 12  # characters of a delta
Mishap = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@dataclass
class Call:
    """One call that has arrived.

    Attributes:
        kind: ``model`` or ``tool``.
        run: Name of the run, from its prompt.
        place: How many tools had returned before it, or the number that the tool was given.
        ended: When its answer was sent to the last byte; None where it never was.
        model: Name of the model that was asked.
        status: What was answered; 200 for whatever began like a success.
    """

    kind: str
    run: str
    place: int
    key: str | None
    begun: float
    ended: float | None = None
    status: int = 200
    model: str = ""


class Outside(LoopbackServer):
    """See the module."""

    def __init__(self, *, port: int = 0) -> None:
        super().__init__(self._handle, port=port)
        self.calls: list[Call] = []
        self.plan: deque[Mishap | None] = deque()
        self._held: str | None = None
        self._waiting: list[asyncio.Event] = []

    @property
    def base_url(self) -> str:
        """What an OpenAI client calls its base URL."""
        return f"{self.address}/v1"

    def of(self, run: str, kind: str | None = None) -> list[Call]:
        """Calls of one run, in the order in which they arrived."""
        return [call for call in self.calls if call.run == run and kind in {None, call.kind}]

    def models(self, run: str) -> list[str]:
        """The models that were asked in a run, call by call."""
        return [call.model for call in self.of(run, "model")]

    def repeated(self, run: str) -> dict[tuple[str, int], int]:
        """How often each call of a run arrived that arrived more than once, by kind and place."""
        counts = Counter((call.kind, call.place) for call in self.of(run))
        return {what: count for what, count in counts.items() if count > 1}

    def in_flight(self, kind: str | None = None) -> int:
        """How many calls wait for their answer now."""
        return sum(call.ended is None and call.status == 0 and kind in {None, call.kind} for call in self.calls)

    def hold(self, kind: str) -> None:
        """Give no answer to calls of this kind until `release`."""
        self._held = kind

    def release(self, count: int | None = None) -> None:
        """Answer the calls that wait, and hold no further ones; with a count, only that many of those that wait."""
        if count is None:
            self._held = None
        released, self._waiting = self._waiting[:count], self._waiting[len(self._waiting[:count]) :]
        for waiting in released:
            waiting.set()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/v1/chat/completions":
            body = json.loads(await request.read())
            standing = _standing(body["messages"])
            which = (standing[0], standing[3])
            return await self._answered(request, "model", which, _reply(body, standing), body["model"])
        if request.path == "/effects":
            body = json.loads(await request.read())
            answer = self._acted(body["run"], body["number"])
            return await self._answered(request, "tool", (body["run"], body["number"]), answer)
        return json_response({"error": {"message": f"No such path: {request.path}"}}, status=404)

    async def _answered(
        self, request: web.BaseRequest, kind: str, which: tuple[str, int], answer: Mishap, model: str = ""
    ) -> web.StreamResponse:
        key = request.headers.get("Idempotency-Key")
        call = Call(kind=kind, run=which[0], place=which[1], key=key, begun=time.time(), status=0, model=model)
        self.calls.append(call)
        mishap = self.plan.popleft() if kind == "model" and self.plan else None
        try:
            if self._held == kind:
                self._waiting.append(gate := asyncio.Event())
                await gate.wait()
            response = await (mishap or answer)(request)
        except asyncio.CancelledError:
            call.status = 499  # whoever asked is gone
            raise
        call.status = response.status
        if request.transport is not None and not request.transport.is_closing() and mishap is None:
            call.ended = time.time()
        return response

    def _acted(self, run: str, number: int) -> Mishap:
        time_of_it = 1 + sum(call.place == number for call in self.of(run, "tool"))

        async def answer(_: web.BaseRequest) -> web.StreamResponse:
            return json_response({"said": f"did {number} for time {time_of_it}"})

        return answer


def _standing(messages: list[dict[str, Any]]) -> tuple[str, int, bool, int]:
    """Where a conversation stands: name of the run, acts wanted, whether at once, acts done since the last prompt."""
    name, wanted, at_once, done = "", 0, False, 0
    for message in messages:
        if message["role"] == "user" and (found := PROMPT.search(_text(message["content"]))):
            name, wanted, at_once, done = found[1], int(found[2] or 0), bool(found[3]), 0
        elif message["role"] == "tool":
            done += 1
    return name, wanted, at_once, done


def _text(content: Any) -> str:
    return content if isinstance(content, str) else "".join(part.get("text", "") for part in content or ())


def _reply(body: dict[str, Any], standing: tuple[str, int, bool, int]) -> Mishap:
    name, wanted, at_once, done = standing
    count = 0 if done >= wanted else (wanted - done if at_once else 1)
    tool = body["tools"][0]["function"] if body.get("tools") else {}
    calls = [
        {
            "id": f"call_{number}",
            "type": "function",
            "function": {"name": tool["name"], "arguments": json.dumps(_arguments(tool, name, number))},
        }
        for number in range(done, done + count)
    ]
    heard = [_text(message["content"]) for message in body["messages"] if message["role"] == "user"]
    said = f"acted {done} times; heard {len(heard)}"

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        return await streamed(request, chunks(text=None if calls else said, calls=calls, model=body["model"]))

    return answer


def _arguments(tool: dict[str, Any], run: str, number: int) -> dict[str, Any]:
    if "task" in tool["parameters"]["properties"]:  # it asks another agent
        return {"task": f"[run {run}.{number}] Act 2 times."}
    return {"run": run, "number": number}


def chunks(
    *, text: str | None = None, calls: list[dict[str, Any]] | None = None, model: str = "outside"
) -> list[dict[str, Any]]:
    """The chunks of an answer, its end and its usage among them."""
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None}]
    for index, call in enumerate(calls or ()):
        deltas.append({"tool_calls": [{"index": index, **call}]})
    deltas += [{"content": text[start : start + PIECE]} for start in range(0, len(text or ""), PIECE)] if text else []
    found = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    end = {"index": 0, "delta": {}, "finish_reason": "tool_calls" if calls else "stop"}
    usage = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
    return [_chunk([choice], model=model) for choice in [*found, end]] + [_chunk([], usage, model=model)]


def _chunk(
    choices: list[dict[str, Any]], usage: dict[str, int] | None = None, *, model: str = "outside"
) -> dict[str, Any]:
    named = {"id": "chatcmpl-outside", "object": "chat.completion.chunk", "created": 1, "model": model}
    return {**named, "choices": choices, "usage": usage}


async def streamed(request: web.BaseRequest, sent: list[dict[str, Any]]) -> web.StreamResponse:
    """Send chunks as server-sent events, and that they are all."""
    response = await begun(request)
    for chunk in sent:
        await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
    await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    return response


async def begun(request: web.BaseRequest) -> web.StreamResponse:
    """Begin to stream."""
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(request)
    return response

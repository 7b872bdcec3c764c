"""A project that has something to show on every page of the console, and its console."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from command_line import Folder
from engines import DEADLINE
from outlive.engine.ports import free_port

COMMAND = (sys.executable, "-m", "outlive.cli.main")
TOKENS = {"look": "look-" * 5, "decide": "decide-" * 3, "operate": "operate-" * 3}
HOSTILE = (
    "<script>window.ran = 1</script><img src=x onerror='window.ran = 2'>\u202egnp.exe\u202c \x1b[31m\x07\x00 "
    "[a](javascript:window.ran=3) " + "w" * 10_000
)
HOSTILE_DOCUMENTS = (
    {"uri": "javascript:window.ran=4//\u202etxt", "text": HOSTILE},
    {"uri": "<img src=x onerror='window.ran=5'>", "text": f"{HOSTILE} broken"},
    {"uri": "w" * 9_000, "text": "\x00\x01\x1b[2J\u2066\ufeff It ends here.", "fields": {"<b>": HOSTILE}},
    {"uri": "huge", "text": "w" * 1_000_000},
)

APP = '''
"""Agents, a plan and a batch function, whose models follow a script."""
import asyncio
from pathlib import Path

from outlive import App, Budget, Document, Durable, Plan
from pydantic_ai import Agent
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart
from pydantic_ai.models.function import DeltaToolCall, FunctionModel

FOLDER = Path(__file__).parent
HOSTILE = HOSTILE_TEXT
ODD = {"huge": "w" * 5_000_000, "half": "half of a character: " + chr(0xD83D)}


def last_turn(messages):
    parts = [part for message in messages for part in message.parts]
    begun = max(at for at, part in enumerate(parts) if part.part_kind == "user-prompt")
    return str(parts[begun].content), [part for part in parts[begun:] if part.part_kind == "tool-return"]


def decide(messages, info):
    said, returned = last_turn(messages)
    if said.startswith("pay") and not returned:
        return ToolCallPart("pay", {"to": "ada", "amount": int(said.split()[1])})
    if said.startswith("trap") and not returned:
        return ToolCallPart("pay", {"to": HOSTILE, "amount": 1})
    if said.startswith("hostile") and not returned:
        return ToolCallPart("look_up", {"what": HOSTILE})
    if said in ODD and not returned:
        return ToolCallPart("look_up", {"what": said})
    return " ".join(str(part.content) for part in returned) or f"You said: {said}"


def answer(messages, info):
    found = decide(messages, info)
    return ModelResponse(parts=[found if isinstance(found, ToolCallPart) else TextPart(found)])


async def stream(messages, info):
    found = decide(messages, info)
    if isinstance(found, ToolCallPart):
        yield {0: DeltaToolCall(name=found.tool_name, json_args=found.args_as_json_str(), tool_call_id="c1")}
        return
    for word in found.split(" "):
        yield word + " "
        if word in ("slowly", "pausing"):
            while not (FOLDER / f"heard {word}").exists():
                await asyncio.sleep(0.05)


clerk = Agent(
    FunctionModel(answer, stream_function=stream),
    name="clerk",
    description="Pays what a person allows, looks up what it is asked for, and says again what it was told.",
    capabilities=[Durable(budget=Budget(calls=50))],
)


@clerk.tool_plain(requires_approval=True)
def pay(to: str, amount: int) -> str:
    """Pay somebody."""
    with (FOLDER / "paid").open("a") as file:
        file.write(f"{amount} to {to}" + chr(10))
    return f"paid {amount} to {to}"


@clerk.tool_plain
def look_up(what: str) -> str:
    """Look something up."""
    return ODD.get(what, HOSTILE)


app = App("shop", agents=[clerk])


@app.batch(model="offline:extractive")
async def digest(document: Document, llm) -> str:
    """Tell what it says."""
    with (FOLDER / "begun").open("a") as file:
        file.write(document.uri + chr(10))
    while (FOLDER / "held").exists():
        await asyncio.sleep(0.05)
    if "broken" in document.text and not (FOLDER / "mended").exists():
        raise ValueError("it cannot be read: " + document.text[:40])
    return await llm(document.text)


@app.effect("idempotent")
async def change(what: str) -> str:
    """Change something."""
    return "changed " + what


@app.plan(name="move")
async def move(plan: Plan, what: str = "lamps") -> str:
    """Move things."""
    await plan.effect(change, what=what)
    return "moved"
'''.replace("HOSTILE_TEXT", repr(HOSTILE))


def lamps(count: int, *, broken: int) -> list[dict[str, str]]:
    """Return documents, the first so many of them broken."""
    texts = [f"This one is broken, number {at}." for at in range(broken)]
    texts += [f"Lamp {at} is bright. It stands on a desk." for at in range(broken, count)]
    return [{"uri": f"lamp-{at}", "text": text} for at, text in enumerate(texts)]


class Shop:
    """A folder with that app, and `outlive up` in it, on ports of its own."""

    def __init__(self, path: Path, **settings: Any) -> None:
        self.folder = Folder(path, app=APP)
        self.port = free_port()
        self.environment = self.folder.own_environment | settings
        self._up: subprocess.Popen[bytes] | None = None

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start engine, one worker and the console; return when all of them answer."""
        with (self.folder.path / "up.log").open("ab") as log:
            self._up = subprocess.Popen(
                [*COMMAND, "up", "--api-port", str(self.port), "--workers", "1"],
                cwd=self.folder.path,
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        self._wait(lambda: bool(self.folder.worker_pids()) and self._answers(), "the project is up")

    def stop(self) -> None:
        if self._up is not None and self._up.poll() is None:
            self._up.send_signal(signal.SIGINT)
            self._up.wait(timeout=DEADLINE)

    def begin(self, run_id: str, prompt: str) -> None:
        """Start a run of the clerk."""
        self.ask("/v1/runs/agent/clerk", {"id": run_id, "prompt": prompt})

    def begin_batch(self, batch_id: str, documents: Sequence[dict[str, Any]], **options: Any) -> None:
        """Start a batch of the digest."""
        self.ask("/v1/batches", {"id": batch_id, "function": "digest", "documents": documents} | options)

    def kill_worker(self) -> None:
        """Kill the worker with -9."""
        (pid,) = self.folder.worker_pids()
        os.kill(pid, signal.SIGKILL)

    @contextmanager
    def console(self, port: int) -> Iterator["subprocess.Popen[bytes]"]:
        """`outlive console` on a port, for as long as the block runs."""
        process = subprocess.Popen(
            [*COMMAND, "console", "app:app", "--port", str(port)],
            cwd=self.folder.path,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    @contextmanager
    def engine_away(self) -> Iterator[None]:
        """Kill the engine with -9, and let nobody start it again for as long as the block runs."""
        assert self._up is not None
        self._up.send_signal(signal.SIGSTOP)
        try:
            self.kill_engine()
            yield
        finally:
            self._up.send_signal(signal.SIGCONT)

    def kill_engine(self) -> None:
        """Kill the engine with -9."""
        pid = self.folder.engine_pid()
        assert pid is not None
        os.kill(pid, signal.SIGKILL)

    def ask(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """Return what the API answers; with a body, to a POST of it."""
        token = self.environment.get("OUTLIVE_API_TOKEN")
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        sent = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.origin + path, data=sent, headers=headers | {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            return json.load(answer)

    def _answers(self) -> bool:
        try:
            return bool(self.ask("/v1/session"))
        except OSError:
            return False

    def _wait(self, holds: Any, what: str) -> None:
        until = time.monotonic() + DEADLINE
        while not holds():
            log = (self.folder.path / "up.log").read_text()
            assert self._up is not None
            assert self._up.poll() is None, log
            assert time.monotonic() < until, f"not so: {what}: {log}"
            time.sleep(0.1)

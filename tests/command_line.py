"""The command line in a folder of its own: real processes, a real engine, agents that need no network."""

import asyncio
import contextlib
import json
import os
import pty
import signal
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from pathlib import Path

from engines import DEADLINE, settings_for, until
from namespaces import own_place
from outlive.engine.home import Home
from outlive.worker.children import worker_environment

APP = '''
"""Agents that follow a script. What they do is written to files, so that a test counts at the outside."""
import asyncio
from pathlib import Path

from outlive import App, Durable, tool_options
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import DeltaToolCall, FunctionModel

FOLDER = Path(__file__).parent


def note(name, text):
    with (FOLDER / name).open("a") as file:
        file.write(text + chr(10))


def is_there(name):
    return (FOLDER / name).exists()


def said(messages):
    return [part.content for message in messages for part in message.parts if part.part_kind == "user-prompt"]


def answer(messages, info):
    """Call the agent's tool as often as the last prompt has words, then say them in capitals."""
    words = said(messages)[-1].split()
    turn = [part for message in messages for part in message.parts]
    begun = max(index for index, part in enumerate(turn) if part.part_kind == "user-prompt")
    returned = sum(isinstance(part, ToolReturnPart) for part in turn[begun:])
    if info.function_tools and returned < len(words):
        return ModelResponse(parts=[ToolCallPart(info.function_tools[0].name, {"word": words[returned]})])
    if is_there("overloaded"):
        (FOLDER / "overloaded").unlink()
        raise ModelHTTPError(503, "m", {"message": "overloaded"})
    note("answers", " ".join(words))
    return ModelResponse(parts=[TextPart(" ".join(words).upper())])


async def stream(messages, info):
    words = said(messages)[-1].split()
    for word in words:
        yield word.upper() if word == words[0] else " " + word.upper()
        while is_there("hold"):
            await asyncio.sleep(0.02)


speaker = Agent(FunctionModel(answer), name="speaker", capabilities=[Durable()])
looker = Agent(FunctionModel(answer), name="looker", capabilities=[Durable()])
parker = Agent(FunctionModel(answer), name="parker", capabilities=[Durable()])
streamer = Agent(FunctionModel(stream_function=stream), name="streamer", capabilities=[Durable()])


@looker.tool_plain
async def look(word: str) -> str:
    """Look at a word."""
    note("begun", word)
    while is_there("hold"):
        await asyncio.sleep(0.02)
    note("looked", word)
    return f"saw {word}"


@parker.tool_plain
@tool_options(attempts=1, on_failure="park")
def turn_key(word: str) -> str:
    """Turn a key."""
    if not is_there("mended"):
        raise ValueError("the lock is jammed")
    return "turned"


app = App("tests", agents=[speaker, looker, parker, streamer])
'''


class Folder:
    """A folder with an app, and the command line in it."""

    def __init__(self, path: Path, *, app: str | None = APP) -> None:
        self.path = path
        self.home = Home(path / ".outlive")
        self.settings = settings_for(self.home.path, port=0, ui_port=0, drain_timeout=1.0)
        self._started: list[Process] = []
        self._terminals: list[int] = []
        self._place = own_place()
        if app is not None:
            (path / "app.py").write_text(app)

    @property
    def own_environment(self) -> dict[str, str]:
        """Environment of a process that works in this folder."""
        return worker_environment(self.settings) | self._place

    async def begin(
        self, *arguments: str, stdin: int = DEVNULL, stderr: int = PIPE, environment: dict[str, str] | None = None
    ) -> Process:
        """Start a command."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "outlive.cli.main"),
            *arguments,
            cwd=self.path,
            env=self.own_environment | (environment or {}),
            stdin=stdin,
            stdout=PIPE,
            stderr=stderr,
            preexec_fn=_heed_interrupts,
        )
        self._started.append(process)
        return process

    async def run(self, *arguments: str, text: str | None = None) -> tuple[int, str, str]:
        """Run a command to its end; return its status, output and errors."""
        return await ended(await self.begin(*arguments, stdin=DEVNULL if text is None else PIPE), text)

    async def on_terminal(self, *arguments: str) -> "Terminal":
        """Start a command on a terminal of its own, for all that it reads and writes."""
        ours, theirs = pty.openpty()
        os.set_blocking(ours, False)
        self._terminals.append(ours)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "outlive.cli.main"),
            *arguments,
            cwd=self.path,
            env=self.own_environment | {"TERM": "dumb"},
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            preexec_fn=_heed_interrupts,
        )
        os.close(theirs)
        self._started.append(process)
        return Terminal(ours, process)

    @contextlib.asynccontextmanager
    async def up(
        self, *arguments: str, environment: dict[str, str] | None = None, api_port: int | None = None
    ) -> AsyncIterator[Process]:
        """`outlive up` for as long as the block runs, with its workers serving; the API only where a port is given."""
        api = ["--no-api"] if api_port is None else ["--api-port", str(api_port)]
        process = await self.begin("up", *api, *arguments, stderr=asyncio.subprocess.STDOUT, environment=environment)
        await until(lambda: len(self.worker_pids()) > 0, "a worker serves")
        try:
            yield process
        finally:
            if process.returncode is None:
                process.send_signal(signal.SIGINT)
            await ended(process)

    def worker_pids(self) -> list[int]:
        """The workers that have said that they serve."""
        return [int(path.stem) for path in (self.home.path / "workers").glob("*.json")]

    def engine_pid(self) -> int | None:
        state = self.home.live_state()
        return state.engine_pid if state else None

    def lines(self, name: str) -> list[str]:
        """What the app has written to a file."""
        path = self.path / name
        return path.read_text().splitlines() if path.exists() else []

    def put(self, name: str) -> None:
        (self.path / name).touch()

    def take(self, name: str) -> None:
        (self.path / name).unlink()

    async def close(self) -> None:
        """Leave nothing running."""
        for process in self._started:
            if process.returncode is None:
                process.kill()
                await process.communicate()
        for terminal in self._terminals:
            os.close(terminal)


class Terminal:
    """A terminal with a command on it."""

    def __init__(self, descriptor: int, process: Process) -> None:
        self._descriptor = descriptor
        self.process = process
        self.text = ""

    def type(self, line: str) -> None:
        os.write(self._descriptor, f"{line}\n".encode())

    async def shows(self, wanted: str, *, times: int = 1) -> None:
        """Wait until a text is there."""
        try:
            await until(lambda: self._read().count(wanted) >= times, f"{wanted!r} is shown")
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.text}") from None

    async def ended(self) -> int:
        async with asyncio.timeout(DEADLINE):
            while self.process.returncode is None:
                self._read()
                await asyncio.sleep(0.05)
        self._read()
        return self.process.returncode

    def _read(self) -> str:
        with contextlib.suppress(OSError):  # nothing there now, or the other side is closed
            while chunk := os.read(self._descriptor, 65_536):
                self.text += chunk.decode(errors="replace").replace("\r\n", "\n")
        return self.text


class Errors:
    """What a command writes to standard error, as it comes."""

    def __init__(self, process: Process) -> None:
        assert process.stderr is not None
        self.text = ""
        self._stream = process.stderr

    async def say(self, wanted: str) -> None:
        """Wait until a text is there."""
        try:
            async with asyncio.timeout(DEADLINE):
                while wanted not in self.text:
                    chunk = await self._stream.read(4_096)
                    assert chunk, f"it ended without {wanted!r}:\n{self.text}"
                    self.text += chunk.decode()
        except TimeoutError:
            raise AssertionError(f"it does not say {wanted!r}:\n{self.text}") from None


async def ended(process: Process, text: str | None = None) -> tuple[int, str, str]:
    """Wait for the end of a command; return its status, output and errors."""
    async with asyncio.timeout(DEADLINE):
        out, err = await process.communicate(None if text is None else text.encode())
    assert process.returncode is not None
    return process.returncode, (out or b"").decode(), (err or b"").decode()


def as_json(text: str) -> dict:
    return json.loads(text)


def _heed_interrupts() -> None:
    """Heed Ctrl-C also where the tests themselves run in the background of a shell that ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)

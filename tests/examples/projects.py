"""An example in a folder of its own, with the command line and a scripted model beside it."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import sys
import urllib.request
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from command_line import Folder, ended
from engines import until
from outlive.settings import process_environment
from outlive.testing.loopback import server_process
from outlive.testing.scripted_model import read_log

EXAMPLES = Path(__file__).parents[2] / "examples"
LEFT_OVERS = shutil.ignore_patterns(".outlive", "__pycache__", "letters", "notes", "*.db")


class Example(Folder):
    """A copy of an example, and what its commands find in their environment."""

    def __init__(self, name: str, path: Path) -> None:
        shutil.copytree(
            EXAMPLES / name, path, ignore=shutil.ignore_patterns(".outlive", "__pycache__", "notes", "*.db")
        )
        super().__init__(path, app=None)
        self.environment: dict[str, str] = {}
        self.model_log = path / "model-calls.jsonl"
        self._model_address = ""

    @contextlib.asynccontextmanager
    async def scripted_model(self) -> AsyncIterator[None]:
        """Let the example's script answer, as its README says, for as long as the block runs."""
        script = ("--script", str(self.path / "script.py:answer"), "--log", str(self.model_log))
        async with server_process("outlive.testing.scripted_model", *script) as server:
            self._model_address = server.address
            self.environment |= {
                "OPENAI_BASE_URL": f"{server.address}/v1",
                "OPENAI_API_KEY": "none",
                "OUTLIVE_MODEL": "openai:scripted",
            }
            yield

    async def outlive(self, *arguments: str, text: str | None = None) -> tuple[int, str, str]:
        """Run a command to its end; return its status, output and errors."""
        stdin = DEVNULL if text is None else PIPE
        return await ended(await self.begin(*arguments, stdin=stdin, environment=self.environment), text)

    async def python(self, *arguments: str) -> str:
        """Run one of the example's own programs to its end; return what it prints."""
        program = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, cwd=self.path, env=process_environment() | self.environment, stdout=PIPE
        )
        status, out, _ = await ended(program)
        assert status == 0, out
        return out

    async def kill_everything(self, *commands: asyncio.subprocess.Process) -> None:
        """Kill commands, and the engine and the workers of this folder, with -9."""
        for command in commands:
            with contextlib.suppress(ProcessLookupError):
                command.kill()
        for pid in filter(None, [self.engine_pid(), *self.worker_pids()]):
            with contextlib.suppress(ProcessLookupError):  # one that was killed before
                os.kill(pid, signal.SIGKILL)
        for command in commands:
            await ended(command)

    async def stall_model_call(self, index: int) -> None:
        """Let the model's answer to one call stop halfway."""
        await asyncio.to_thread(self._post, "/_faults", {str(index): "stall"})

    async def model_calls(self, count: int) -> None:
        """Wait until so many calls have reached the model."""
        await until(lambda: len(read_log(self.model_log)) >= count, f"{count} model calls")

    def model_keys(self) -> list[str]:
        """Idempotency keys of the model calls, in the order in which they arrived."""
        return [call["key"] for call in read_log(self.model_log)]

    async def kill_workers(self) -> None:
        """Kill every worker of this folder with -9."""
        await until(lambda: bool(self.worker_pids()), "a worker serves")
        for pid in self.worker_pids():
            os.kill(pid, signal.SIGKILL)

    def _post(self, path: str, values: Any) -> None:
        with urllib.request.urlopen(f"{self._model_address}{path}", json.dumps(values).encode()) as answer:
            answer.read()

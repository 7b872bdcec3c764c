"""Workers as a container runs them: `outlive worker`, asked over HTTP how it is."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp

from command_line import ended as command_ended
from engines import until
from outlive.engine.ports import free_port

TESTS = Path(__file__).parent


class StandaloneWorker:
    """One `outlive worker` process."""

    def __init__(self, process: asyncio.subprocess.Process, health_port: int, metrics_port: int, log: Path) -> None:
        self.process = process
        self.log = log
        self._health = f"http://127.0.0.1:{health_port}"
        self._metrics = f"http://127.0.0.1:{metrics_port}/metrics"

    async def probe(self, path: str) -> tuple[int, dict]:
        """What it answers; status 0 where it does not."""
        try:
            async with aiohttp.ClientSession() as session, session.get(f"{self._health}{path}") as answer:
                return answer.status, await answer.json()
        except aiohttp.ClientError:
            return 0, {}

    async def metrics(self) -> str:
        async with aiohttp.ClientSession() as session, session.get(self._metrics) as answer:
            return await answer.text()

    async def is_ready(self) -> bool:
        assert self.process.returncode is None, self.log.read_text()
        return (await self.probe("/readyz"))[0] == 200

    def ask_to_stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    async def ended(self) -> int:
        async with asyncio.timeout(60):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def standalone_worker(
    app: str, environment: Mapping[str, str], folder: Path, *arguments: str, cwd: Path | None = None
) -> AsyncIterator[StandaloneWorker]:
    """Start one, wait until it is ready, and leave nothing running."""
    health_port, metrics_port = free_port(), free_port()
    ports = ("--health-port", str(health_port), "--metrics-port", str(metrics_port))
    log = folder / f"worker-{health_port}.log"
    with log.open("w") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "outlive.cli.main", "worker", app, *ports, *arguments),
            env={**os.environ, **environment, "PYTHONPATH": str(TESTS)},
            cwd=cwd,
            stdout=output,
            stderr=output,
        )
    worker = StandaloneWorker(process, health_port, metrics_port, log)
    try:
        await until(worker.is_ready, "the worker is ready")
        yield worker
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        if "PYTEST_CURRENT_TEST" in os.environ:
            sys.stdout.write(f"{log.name}:\n{log.read_text()[-3000:]}\n")


async def run_outlive(*arguments: str, cwd: Path, environment: Mapping[str, str]) -> tuple[int, str, str]:
    """Run a command to its end; its status, output and errors."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "outlive.cli.main", *arguments),
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    return await command_ended(process)

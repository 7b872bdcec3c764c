"""One project of a test: its own state folder and task queue, agents' runs, and workers to kill."""

import asyncio
import contextlib
import json
import os
import sqlite3
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic_ai.messages import ModelMessagesTypeAdapter

from crash.agents.apps import app as crash_app
from crash.workers import WorkerProcess, fork_worker
from engines import DEADLINE
from outlive.app import App
from outlive.client import Client
from outlive.contracts.agents import AgentInput, AgentMessage
from outlive.engine.home import Home
from outlive.names import agent_workflow_id
from outlive.runs import RunHandle, RunResult
from outlive.settings import Settings
from outlive.testing.faults import Fault, Moment, kill_this_process
from outlive.worker.children import worker_environment
from outside import Outside

APP = "crash.agents.apps:app"
VOLATILE = {"timestamp", "run_id", "conversation_id", "provider_details"}
"""What differs between two runs of the same conversation."""


@dataclass(frozen=True)
class NotedKill:
    """A death that leaves behind when it came."""

    path: Path

    def __call__(self) -> None:
        self.path.write_text(repr(time.time()))
        kill_this_process()


@dataclass(frozen=True)
class Entry:
    """A call as the ledger's file has it."""

    activity: str
    kind: str
    state: str
    attempts: int
    failures: int
    key: str


def read_effects(path: Path, workflow_id: str) -> list[Entry]:
    """Read a ledger as anyone could: with SQLite alone."""
    query = "SELECT activity_id, kind, state, attempts, failures, effect_key FROM effects WHERE workflow_id = ?"
    with contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
        return [Entry(*row) for row in file.execute(f"{query} ORDER BY begun_at", (workflow_id,))]


def plain(messages: Sequence[Any], run: str) -> Any:
    """What was said, without what differs between two runs that are the same."""
    return _plain(json.loads(ModelMessagesTypeAdapter.dump_json(list(messages)).decode().replace(run, "RUN")))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items() if name not in VOLATILE}
    return [_plain(part) for part in value] if isinstance(value, list) else value


class AgentProject:
    """See the module."""

    def __init__(self, settings: Settings, outside: Outside, *, app: App = crash_app) -> None:
        self.settings = settings
        self.outside = outside
        self.client = Client(settings, app=app)
        self.ledger_path = Home(settings.home).ledger_db
        self.folder = settings.home.parent
        self.obstacle = self.folder / "obstacle"
        self.workers: list[WorkerProcess] = []
        self.app = APP
        self.added: dict[str, str] = {}

    @property
    def environment(self) -> dict[str, str]:
        """What a worker finds its settings, its model and its obstacle with."""
        named = worker_environment(self.settings)
        return named | {
            "OPENAI_BASE_URL": self.outside.base_url,
            "OPENAI_API_KEY": "sk-test",
            "OBSTACLE": str(self.obstacle),
            **self.added,
        }

    def fault(self, moment: Moment, occurrence: int = 1) -> Fault:
        """A death at the n-th time that a moment comes; `killed_at` tells when it was."""
        return Fault(moment, occurrence=occurrence, strike=NotedKill(self.folder / "killed"))

    @property
    def killed_at(self) -> float:
        """When the death came, in seconds since the epoch."""
        return float((self.folder / "killed").read_text())

    def start_worker(self, fault: Fault | None = None, *, settings: Settings | None = None) -> WorkerProcess:
        """Start a worker process, with a death in it or none."""
        log = self.folder / f"worker-{len(self.workers)}.log"
        self.workers.append(fork_worker(self.app, settings or self.settings, self.environment, log=log, fault=fault))
        return self.workers[-1]

    async def begin(self, agent: str, prompt: str, run: str, **values: Any) -> RunHandle[Any]:
        """Start a run."""
        said = AgentMessage(message_id="start", content=f"[run {run}] {prompt}")
        await self.client._start(
            agent_workflow_id(agent, run), AgentInput(agent=agent, inbox=[said], **values), summary=prompt
        )
        return await self.client.run(run, agent=agent)

    def effects(self, handle: RunHandle[Any]) -> list[Entry]:
        """What the ledger says now: read with SQLite alone, where it is a file."""
        if not self.settings.ledger:
            return read_effects(self.ledger_path, handle.workflow_id)
        records = self.client.ledger.effects.of_workflow(handle.workflow_id)
        return [Entry(r.activity_id, r.kind, r.state, r.attempts, r.failures, r.effect_key) for r in records]

    async def ended(self, handle: RunHandle[Any], *, deadline: float = DEADLINE) -> RunResult[Any]:
        """Wait until a run has ended; fail with what is known where it does not."""
        try:
            async with asyncio.timeout(deadline):
                return await handle.result()
        except TimeoutError:
            logs = "\n".join([await worker.last_words() for worker in self.workers])
            raise AssertionError(f"not ended within {deadline:.0f} s: {await handle.status()}\n{logs}") from None

    def end(self) -> None:
        """End every worker process that is left; where it is a test that ends, say what they wrote."""
        for worker in self.workers:
            worker.end()
            if "PYTEST_CURRENT_TEST" in os.environ and worker.log.exists():  # shown where the test has failed
                sys.stdout.write(f"{worker.log.name}:\n{worker.log.read_text()[-3000:]}\n")


@contextlib.asynccontextmanager
async def agent_project(settings: Settings, outside: Outside, *, app: App = crash_app) -> AsyncIterator[AgentProject]:
    """A project; its worker processes are ended with it."""
    settings.home.parent.mkdir(parents=True, exist_ok=True)
    project = AgentProject(settings, outside, app=app)
    try:
        async with project.client:
            yield project
    finally:
        outside.release()
        project.end()


@contextlib.asynccontextmanager
async def world(set_variable: Callable[[str, str], None] = os.environ.__setitem__) -> AsyncIterator[Outside]:
    """The world outside, where this process finds it too."""
    async with Outside() as outside:
        named: Mapping[str, str] = {"OPENAI_BASE_URL": outside.base_url, "OPENAI_API_KEY": "sk-test"}
        for name, value in named.items():
            set_variable(name, value)
        yield outside

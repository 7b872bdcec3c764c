"""What the parts of `agents.py` share: a project with a worker, and what its runs have left behind."""

import asyncio
import os
import sqlite3
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, replace
from pathlib import Path

import temporalio.client
from pydantic_ai.usage import UsageLimits
from temporalio.client import WorkflowExecutionStatus

from agent_app import MARKS, Mark, app, forget_marks, looker, read_marks
from measuring import fresh_folder
from outlive import Client, Settings, in_memory
from outlive.worker.supervisor import Supervisor

HERE = Path(__file__).parent
LOOK_SECONDS = 0.2
FILES = ("engine", "payloads", "ledger", "streams")


@dataclass(frozen=True)
class Project:
    """A project whose engine and one worker, each a process, are running."""

    client: Client
    supervisor: Supervisor
    marks: Path

    async def look(self, calls: int, size: int, run_id: str) -> list[Mark]:
        """Let the agent that looks do so, and return the marks of its run."""
        forget_marks()
        handle = await self.client.start_run(looker, f"{calls} {size}", run_id=run_id)
        assert (await handle.result()).output == "done"
        return read_marks(self.marks)

    def sizes(self) -> dict[str, float]:
        """Return the sizes of the project's databases, in megabytes, as they are without a write-ahead log."""
        return {name: _megabytes(self.client.settings.home / f"{name}.db") for name in FILES}


@dataclass(frozen=True, kw_only=True)
class Chain:
    """The workflow runs that one run of an agent was made of, in order: events and bytes of history of each."""

    events: Sequence[int]
    sizes: Sequence[int]

    def row(self) -> list[object]:
        """Return: workflow runs, events, most events of a run, kilobytes, most kilobytes of a run."""
        return [len(self.events), sum(self.events), max(self.events), sum(self.sizes) / 1e3, max(self.sizes) / 1e3]


CHAIN_HEADER = ("workflow runs", "events", "most of a run", "history KB", "most of a run")


@asynccontextmanager
async def project(name: str) -> AsyncIterator[Project]:
    """Run a project in a state folder of its own, for as long as the block runs; warm when it begins."""
    os.chdir(HERE)  # where the workers find the app
    home = fresh_folder(name)
    marks = home / "marks.jsonl"
    os.environ[MARKS] = str(marks)
    settings = replace(Settings.load(), home=home / "state", port=0, ui_port=0)
    supervisor = Supervisor(settings, app="agent_app:app", workers=1, reload=False)
    async with supervisor, Client(settings, app=app) as client:
        running = Project(client, supervisor, marks)
        await running.look(20, 100, "warm-up")
        yield running


async def bare_marks(calls: int, size: int) -> list[Mark]:
    """Let the same agent look, bare, in the memory of a process of its own; and return the marks."""
    marks = fresh_folder("agents-bare") / "marks.jsonl"
    command = (sys.executable, "agent_runs.py", str(calls), str(size))
    process = await asyncio.create_subprocess_exec(*command, cwd=HERE, env={**os.environ, MARKS: str(marks)})
    if await process.wait():
        sys.exit(f"The bare agent ended with status {process.returncode}.")
    return read_marks(marks)


async def chain_of(temporal: temporalio.client.Client, workflow_id: str) -> Chain:
    """Return what a run that has ended left in histories, once the engine lists its last workflow run as closed."""
    last = await temporal.get_workflow_handle(workflow_id).describe()
    while True:
        found = [run async for run in temporal.list_workflows(f"WorkflowId = '{workflow_id}'")]
        if any(run.run_id == last.run_id and run.status != WorkflowExecutionStatus.RUNNING for run in found):
            break
        await asyncio.sleep(LOOK_SECONDS)
    found.sort(key=lambda run: run.start_time)
    told = [await temporal.get_workflow_handle(workflow_id, run_id=run.run_id).describe() for run in found]
    return Chain(events=[run.history_length for run in told], sizes=[history_bytes(run) for run in told])


def history_bytes(run: temporalio.client.WorkflowExecutionDescription) -> int:
    return run.raw_description.workflow_execution_info.history_size_bytes


def _megabytes(path: Path) -> float:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        pages, free, size = (
            database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
        )
    megabytes: float = (pages - free) * size / 1e6
    return megabytes


async def _bare(calls: str, size: str) -> None:
    with in_memory():
        await looker.run("20 100")
        forget_marks()
        await looker.run(f"{calls} {size}", usage_limits=UsageLimits(request_limit=None))


if __name__ == "__main__":
    asyncio.run(_bare(*sys.argv[1:3]))

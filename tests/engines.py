"""What tests of the engine share: settings for a throw-away engine, a small workflow, and waiting for a state."""

import asyncio
import os
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

from temporalio import activity, workflow
from temporalio.client import Client, WorkflowHandle
from temporalio.common import RetryPolicy
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from outlive.engine.ports import free_port
from outlive.settings import Settings

DEADLINE = 120.0  # seconds; nothing takes as long, but a busy machine must not fail a test


def settings_for(home: Path, **values: object) -> Settings:
    """Settings for an engine of a test: its own folder, its own ports, no waiting for the disk."""
    port = free_port()
    defaults = {"home": home, "port": port, "ui_port": free_port(taken=frozenset({port})), "synchronous": "normal"}
    return Settings(**(defaults | values))


def fresh(name: str) -> str:
    """Return a name that nothing else on the engine has: the tests of a session share one, and its lists show all."""
    return f"{name}-{uuid.uuid4().hex[:12]}"


async def until(holds: Callable[[], bool | Awaitable[bool]], what: str, *, deadline: float = DEADLINE) -> None:
    """Wait for a state; fail with what was waited for."""
    try:
        async with asyncio.timeout(deadline):
            while True:
                answer = holds()
                if await answer if isinstance(answer, Awaitable) else answer:
                    return
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"{what}: not so within {deadline:.0f} s") from None


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
    except NotADirectoryError:  # no /proc on this system
        os.kill(pid, 0)
        return True


@workflow.defn(name="TestCounting")
class Counting:
    """Adds up numbers, one activity each."""

    @workflow.run
    async def run(self, count: int) -> int:
        total = 0
        for number in range(count):
            total += await workflow.execute_activity(
                "note",
                args=[workflow.info().workflow_id, number],
                result_type=int,
                start_to_close_timeout=timedelta(seconds=10),
                heartbeat_timeout=timedelta(seconds=2),
                retry_policy=RetryPolicy(
                    initial_interval=timedelta(milliseconds=200), maximum_interval=timedelta(seconds=1)
                ),
            )
        return total


async def start_counting(client: Client, count: int, **options: object) -> WorkflowHandle:
    """Start it with a short workflow task timeout: a task that was out when its engine died is given out again soon."""
    return await client.start_workflow("TestCounting", count, task_timeout=timedelta(seconds=2), **options)


class Notes:
    """What activities did, by workflow id and number: the effects."""

    def __init__(self, *, pause: float = 0.0) -> None:
        self.done: Counter[tuple[str, int]] = Counter()
        self.pause = pause

    @activity.defn
    async def note(self, workflow_id: str, number: int) -> int:
        await asyncio.sleep(self.pause)
        self.done[workflow_id, number] += 1
        return number


def counting_worker(client: Client, task_queue: str, notes: Notes) -> Worker:
    return Worker(
        client,
        task_queue=task_queue,
        workflows=[Counting],
        activities=[notes.note],
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=1),
        workflow_runner=UnsandboxedWorkflowRunner(),
    )

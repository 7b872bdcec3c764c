"""The fault matrix: a worker dies at one moment of one effect, another goes on, and the outside is counted."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from sqlalchemy import Engine, create_engine, text

from crash.agents.projects import AgentProject, agent_project
from crash.effects.apps import app
from crash.effects.receiver import Receiver
from outlive.settings import Settings
from outlive.testing.faults import Moment
from outside import Outside

POLICIES = ("idempotent", "unheeded", "transactional", "checked", "once")
TOOL_CALL = 2  # the model is asked first


class Point(StrEnum):
    """Where the worker dies, as people read it."""

    BEFORE_CLAIM = "before claim"
    CLAIMED = "after claim"
    IN_EFFECT = "in the effect"
    MADE = "after the effect, before the record"
    RECORDED = "after the record, before the ack"


_MOMENTS = {
    Point.BEFORE_CLAIM: Moment.CALL_BEGUN,
    Point.CLAIMED: Moment.CALL_CLAIMED,
    Point.MADE: Moment.CALL_MADE,
    Point.RECORDED: Moment.CALL_RECORDED,
}


@dataclass(frozen=True, kw_only=True)
class Struck:
    """What came of one run.

    Attributes:
        status: The dead worker's exit status.
        done: How often the effect was done, counted at the outside.
        was_asked: Whether a person was asked.
        output: What the run ended with.
        seconds: From the death to the end of the run.
    """

    policy: str
    point: Point
    status: int
    done: int
    was_asked: bool
    output: str
    seconds: float


class Matrix:
    """The world of the matrix: its service, its database, its model, and projects on one engine."""

    def __init__(self, outside: Outside, receiver: Receiver, database_url: str, folder: Path) -> None:
        self._outside = outside
        self.receiver = receiver
        self._database_url = database_url
        self._database: Engine = create_engine(database_url)
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        with self._database.begin() as connection:
            connection.execute(text("CREATE TABLE IF NOT EXISTS acts (run VARCHAR(200), number INTEGER)"))

    async def struck(self, policy: str, point: Point, name: str) -> Struck:
        """Let a worker die at one moment of an effect, and another one go on."""
        async with self.project(name) as project:
            handle = await project.begin(policy, "Act 1 times.", name)
            status = await self._kill(project, policy, point, name)
            died_at = time.monotonic()
            project.start_worker()
            was_asked = await self._as_a_person_would(project, handle, name)
            result = await project.ended(handle)
            return Struck(
                policy=policy,
                point=point,
                status=status,
                done=self._done(policy, name),
                was_asked=was_asked,
                output=result.output,
                seconds=time.monotonic() - died_at,
            )

    @contextlib.asynccontextmanager
    async def project(self, name: str) -> AsyncIterator[AgentProject]:
        """A project whose workers act on the service and the database."""
        settings = Settings(home=self._folder / name / ".outlive", task_queue=name)
        async with agent_project(settings, self._outside, app=app) as project:
            project.app = "crash.effects.apps:app"
            project.added |= {"RECEIVER": self.receiver.address, "USER_DATABASE": self._database_url}
            yield project

    async def _kill(self, project: AgentProject, policy: str, point: Point, name: str) -> int:
        if point in _MOMENTS:
            return await project.start_worker(project.fault(_MOMENTS[point], TOOL_CALL)).death()
        if policy == "transactional":
            project.obstacle.touch()
            return await project.start_worker().death()
        worker = project.start_worker()
        self.receiver.victims[name] = worker.pid
        return await worker.death()

    async def _as_a_person_would(self, project: AgentProject, handle, name: str) -> bool:
        """Answer what is asked of a person, by what the outside says; return whether anything was."""
        ended = asyncio.create_task(handle.result())
        while not ended.done():
            status = await handle.status()
            if status.questions:
                (question,) = status.questions
                assert question.kind == "unknown", question
                done = self.receiver.done[name] > 0
                await handle.decide("done" if done else "retry", value="did 0" if done else None, by="a person")
                await ended
                return True
            await asyncio.wait([ended], timeout=0.1)
        return False

    def _done(self, policy: str, name: str) -> int:
        if policy != "transactional":
            return self.receiver.done[name]
        with self._database.connect() as connection:
            counted = text("SELECT count(*) FROM acts WHERE run = :run")
            return int(connection.execute(counted, {"run": name}).scalar_one())


@contextlib.asynccontextmanager
async def matrix(outside: Outside, folder: Path, database_url: str | None = None) -> AsyncIterator[Matrix]:
    """The matrix, with a SQLite file as the user's database where none is given."""
    async with Receiver() as receiver:
        yield Matrix(outside, receiver, database_url or f"sqlite:///{folder / 'users.db'}", folder)

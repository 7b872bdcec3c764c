"""A project with an engine of its own: a round reads all runs of it."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import Client

from engines import settings_for, until
from outlive.contracts.events import EventKind, NewEvent
from outlive.engine.collecting import store_facts
from outlive.engine.connection import connect
from outlive.engine.home import Home
from outlive.engine.server import EngineServer
from outlive.housekeeping.rounds import RoundReport, keep_house
from outlive.ledger.effects import EffectClaim
from outlive.ledger.ledger import Ledger
from outlive.settings import Settings
from outlive.streams.log import StreamLog
from outlive.streams.writing import StreamWriter

LATER = timedelta(days=100)
"""After it everything is older than the retention, and was not used within the grace."""


@dataclass(frozen=True, kw_only=True)
class Project:
    """A project, and runs in it as their traces on disk: rows, events and a result of 50 KB each."""

    settings: Settings
    client: Client

    @property
    def home(self) -> Home:
        return Home(self.settings.home)

    async def round(self, **options: object) -> RoundReport:
        return await keep_house(self.client, self.settings, **{"now": datetime.now(UTC) + LATER, **options})

    async def leave_traces(self, *runs: str) -> None:
        """Record one call, one answer and one event of each run."""
        async with Ledger(self.home.ledger_db) as ledger, StreamWriter(self.home.streams_db) as streams:
            for run in runs:
                claim = EffectClaim(effect_key=run, workflow_id=run, activity_id="1", kind="tool", name="t")
                (result,) = await self.client.data_converter.encode([run + "x" * 50_000])
                await ledger.call(ledger.effects.claim, claim)
                await ledger.call(ledger.effects.finish, run, result.SerializeToString(), {})
                await ledger.call(ledger.effects.keep_answer, run, 1, '"yes"')
                streams.append(NewEvent(stream=run, kind=EventKind.TURN_ENDED, data={}))

    async def traces(self) -> dict[str, set[str]]:
        """Return the runs that have rows, and those that have events; and how many payloads there are."""
        async with Ledger(self.home.ledger_db) as ledger, StreamLog(self.home.streams_db) as log:
            rows = set(await ledger.call(ledger.retention.last_uses))
            return {"rows": rows, "events": set(await log.last_events())}

    async def result_of(self, run: str) -> str:
        """Read a recorded result as a worker does to which it is new."""
        async with Ledger(self.home.ledger_db) as ledger:
            (record,) = await ledger.call(ledger.effects.of_workflow, run)
        vault = self.client.data_converter.payload_converter_class.vault
        for known in list(vault._contents._values):
            vault._contents.pop(known)
        (result,) = await self.client.data_converter.decode([Payload.FromString(record.result)])
        return result

    async def payload_count(self) -> int:
        return (await store_facts(self.settings)).chunks

    async def start(self, run: str) -> None:
        """Let the engine have a run, which nobody works on."""
        await self.client.start_workflow("Nobody", id=run, task_queue="nobody")
        await until(lambda: self._lists(run), f"{run} is listed")

    async def forget(self, run: str) -> None:
        """Let a run's retention end."""
        handle = self.client.get_workflow_handle(run)
        execution = (await handle.describe()).raw_description.workflow_execution_info.execution
        request = DeleteWorkflowExecutionRequest(namespace=self.client.namespace, workflow_execution=execution)
        await self.client.workflow_service.delete_workflow_execution(request)

        async def is_gone() -> bool:
            return not await self._lists(run)

        await until(is_gone, f"{run} is gone")

    async def _lists(self, run: str) -> bool:
        return run in [found.id async for found in self.client.list_workflows()]


@pytest.fixture
async def project(tmp_path: Path) -> AsyncIterator[Project]:
    settings = settings_for(tmp_path / ".outlive")
    home = Home(settings.home)
    async with home.own(), EngineServer(home, settings):
        yield Project(settings=settings, client=await connect(settings))

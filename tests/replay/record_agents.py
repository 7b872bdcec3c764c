"""Record the histories of agents beside this file: ``python -m replay.record_agents`` in ``tests/``, as `record`."""

import asyncio
import tempfile
from pathlib import Path

from engines import settings_for, until
from outlive.app import App
from outlive.client import Client
from outlive.contracts.agents import AgentInput, AgentMessage
from outlive.engine.connection import connect
from outlive.engine.home import Home
from outlive.engine.server import EngineServer
from outlive.names import agent_workflow_id
from outlive.runs import RunHandle
from outlive.worker.process import serve
from replay.agents import broken, built
from replay.record import write_history


async def record() -> None:
    """Run the agents and write their histories down."""
    agents = built()
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_for(Path(folder) / ".outlive")
        home, app, stop = Home(settings.home), App("recorded", agents=[*agents.values()]), asyncio.Event()
        async with home.own(), EngineServer(home, settings), Client(settings, app=app) as client:
            worker = asyncio.create_task(serve(await connect(settings), app, settings, stop))
            await _continued(client)
            await _ended(client, await client.start_run("buggy", "Do", run_id="r"), "agent_told_of_a_failure")
            await _ended(client, await client.start_run("chief", "Ask", run_id="r"), "agent_with_a_child")
            await _parked(client)
            await _conversation(client)
            stop.set()
            await worker


async def _continued(client: Client) -> None:
    start = AgentInput(agent="looker", inbox=[AgentMessage(message_id="m", content="Look")], events_per_run=120)
    workflow_id = agent_workflow_id("looker", "r")
    await client._start(workflow_id, start, summary="long")
    temporal = await client.temporal()
    first = (await temporal.get_workflow_handle(workflow_id).describe()).run_id
    await (await client.run("r", agent="looker")).result()
    await write_history(temporal, workflow_id, first, "agent_continued_in_mid_turn")


async def _parked(client: Client) -> None:
    handle = await client.start_run("parking", "Do", run_id="r")

    async def is_parked() -> bool:
        return (await handle.status()).state == "parked"

    await until(is_parked, "the run is parked")
    broken[0] = False
    await handle.decide("retry")
    await _ended(client, handle, "agent_parked_and_decided")


async def _conversation(client: Client) -> None:
    conversation = await client.conversation("listener", conversation_id="r")
    for said in ("one", "two"):
        await conversation.ask(said)
    await conversation.close()
    await _ended(client, conversation, "agent_conversation")


async def _ended(client: Client, handle: RunHandle, name: str) -> None:
    await handle.result()
    temporal = await client.temporal()
    run_id = (await temporal.get_workflow_handle(handle.workflow_id).describe()).run_id
    await write_history(temporal, handle.workflow_id, run_id, name)


if __name__ == "__main__":
    asyncio.run(record())

"""Record the histories of agents beside this file: ``python -m replay.record_agents [NAME ...]`` in ``tests/``.

``src`` has to be on the path, as for `record`. Without names all are recorded anew.
"""

import asyncio
import base64
import json
import sys
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path

from temporalio.api.enums.v1 import EventType
from temporalio.client import WorkflowHistory

from engines import settings_for, until
from outlive.app import App
from outlive.client import Client
from outlive.contracts.agents import AgentInput, AgentMessage
from outlive.engine.collecting import payloads_in
from outlive.engine.connection import connect
from outlive.engine.envelopes import digests_behind
from outlive.engine.home import Home
from outlive.engine.server import EngineServer
from outlive.names import agent_workflow_id
from outlive.payloads.tree import expand
from outlive.payloads.vault import vault_of
from outlive.runs import RunHandle
from outlive.worker.process import serve
from replay.agents import broken, built
from replay.record import HERE, write_history

SAID = frozenset(
    {
        EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
        EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED,
    }
)
"""Events whose payloads the workflow wrote: a replay makes them anew and reads them nowhere."""


async def record(*wanted: str) -> None:
    """Run the agents and write their histories down."""
    agents = built()
    with tempfile.TemporaryDirectory() as folder:
        settings = settings_for(Path(folder) / ".outlive")
        home, app, stop = Home(settings.home), App("recorded", agents=[*agents.values()]), asyncio.Event()
        async with home.own(), EngineServer(home, settings), Client(settings, app=app) as client:
            worker = asyncio.create_task(serve(await connect(settings), app, settings, stop))
            for name in wanted or WAYS:
                await WAYS[name](client, name)
            stop.set()
            await worker


def _running(agent: str) -> Callable[[Client, str], Awaitable[None]]:
    async def run(client: Client, name: str) -> None:
        await _ended(client, await client.start_run(agent, "Do", run_id="r"), name)

    return run


async def _first_half(client: Client, name: str) -> None:
    workflow_id, first = await _started(client, "r", events_per_run=120)
    await (await client.run("r", agent="looker")).result()
    await write_history(await client.temporal(), workflow_id, first, name)


async def _second_half(client: Client, name: str) -> None:
    await _started(client, "s", events_per_run=250)
    await _ended(client, await client.run("s", agent="looker"), name)


async def _started(client: Client, run_id: str, *, events_per_run: int) -> tuple[str, str]:
    inbox = [AgentMessage(message_id="m", content="Look")]
    start = AgentInput(agent="looker", inbox=inbox, events_per_run=events_per_run)
    workflow_id = agent_workflow_id("looker", run_id)
    await client._start(workflow_id, start, summary="long")
    return workflow_id, await _latest_run(client, workflow_id)


async def _parked(client: Client, name: str) -> None:
    handle = await client.start_run("parking", "Do", run_id="r")

    async def is_parked() -> bool:
        return (await handle.status()).state == "parked"

    await until(is_parked, "the run is parked")
    broken[0] = False
    await handle.decide("retry")
    await _ended(client, handle, name)


async def _conversation(client: Client, name: str) -> None:
    conversation = await client.conversation("listener", conversation_id="r")
    for said in ("one", "two"):
        await conversation.ask(said)
    await conversation.close()
    await _ended(client, conversation, name)


async def _approved(client: Client, name: str) -> None:
    """Reminded of, passed on, claimed, and approved with other arguments."""
    handle = await client.start_run("payer", "Do", run_id="approved")

    async def is_passed_on() -> bool:
        return any(one.reminders and one.escalated_to is not None for one in await client.desk.list(agent="payer"))

    await until(is_passed_on, "it was passed on")
    (asked,) = await client.desk.list(agent="payer")
    await client.desk.claim(asked.id, by="ada")
    await client.desk.decide(asked.id, "approve", value={"amount": 5}, by="ada")
    await _ended(client, handle, name)


async def _taken_over(client: Client, name: str) -> None:
    conversation = await client.conversation("listener", conversation_id="taken")
    await conversation.ask("one")
    await client.desk.take("listener/taken", by="ada")
    turn = await conversation.say("two")
    await client.desk.speak("listener/taken", "I am here", by="ada")
    await conversation.reply(turn)
    await client.desk.hand_back("listener/taken", by="ada")
    await conversation.ask("three")
    await conversation.close()
    await _ended(client, conversation, name)


async def _child(client: Client, name: str) -> None:
    handle = await client.start_run("board", "Do", run_id="c")
    await handle.result()
    temporal = await client.temporal()
    history = await temporal.get_workflow_handle(handle.workflow_id).fetch_history()
    started = [event.child_workflow_execution_started_event_attributes.workflow_execution for event in history.events]
    refuser = next(execution for execution in started if "/refuser/" in execution.workflow_id)
    await write_history(temporal, refuser.workflow_id, refuser.run_id, name)


async def _ended(client: Client, handle: RunHandle, name: str) -> None:
    await handle.result()
    temporal = await client.temporal()
    run_id = await _latest_run(client, handle.workflow_id)
    await write_history(temporal, handle.workflow_id, run_id, name)
    history = await temporal.get_workflow_handle(handle.workflow_id, run_id=run_id).fetch_history()
    await _write_chunks(client, history, name)


async def _latest_run(client: Client, workflow_id: str) -> str:
    return (await (await client.temporal()).get_workflow_handle(workflow_id).describe()).run_id


async def _write_chunks(client: Client, history: WorkflowHistory, name: str) -> None:
    """Write down what a replay of the history reads from the payload store, where it does."""
    vault = vault_of(client.settings)
    digests: set[bytes] = set()
    for event in history.events:
        for payload in () if event.event_type in SAID else payloads_in(event):
            digests |= await digests_behind(payload, lambda reference: expand(reference, vault.load))
    if not digests:
        return
    contents = await vault.load(digests)
    chunks = {digest.hex(): base64.b64encode(contents[digest]).decode() for digest in sorted(digests)}
    (HERE / f"{name}.chunks.json").write_text(json.dumps(chunks, indent=0) + "\n")


WAYS: dict[str, Callable[[Client, str], Awaitable[None]]] = {
    "agent_continued_in_mid_turn": _first_half,
    "agent_continued_to_its_end": _second_half,
    "agent_told_of_a_failure": _running("buggy"),
    "agent_with_a_child": _running("chief"),
    "agent_with_two_children": _running("board"),
    "agent_as_a_child": _child,
    "agent_parked_and_decided": _parked,
    "agent_conversation": _conversation,
    "agent_with_an_mcp_server": _running("adder"),
    "agent_with_a_tool_in_a_child": _running("sleeper"),
    "agent_compacting": _running("tidy"),
    "agent_approved_at_the_desk": _approved,
    "agent_taken_over": _taken_over,
}


if __name__ == "__main__":
    asyncio.run(record(*sys.argv[1:]))

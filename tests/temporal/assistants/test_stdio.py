"""An assistant over standard input and output: driven by the official client, in a folder as a user has it."""

import json
import sys
from contextlib import asynccontextmanager

import pytest
from mcp import Client, StdioServerParameters, stdio_client

from command_line import Folder
from people import APP, waiting

NOISE = '\nprint("printed while imported")\n'


@pytest.fixture
async def folder(tmp_path):
    made = Folder(tmp_path, app=APP + NOISE)
    yield made
    await made.close()


@asynccontextmanager
async def assistant(folder: Folder):
    """A session with `outlive mcp` in a folder."""
    server = StdioServerParameters(
        command=sys.executable,
        args=["-m", "outlive.cli.main", "mcp"],
        cwd=str(folder.path),
        env=folder.own_environment,
    )
    with (folder.path / "mcp.err").open("w") as errors:
        async with Client(stdio_client(server, errlog=errors)) as client:
            yield client


async def call(client: Client, tool: str, **arguments):
    result = await client.call_tool(tool, arguments)
    text = "".join(part.text for part in result.content)
    assert not result.is_error, text
    return result.structured_content


async def test_an_assistant_starts_follows_and_passes_a_persons_decision_on(folder: Folder):
    async with folder.up("--workers", "1"), assistant(folder) as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        started = await call(client, "start_run", agent="payer", prompt="pay 5", id="bill")
        again = await call(client, "start_run", agent="payer", prompt="pay 5", id="bill")
        (on_desk,) = await waiting(folder)
        parked = await call(client, "run_result", run="bill", wait=0)
        (asked,) = (await call(client, "list_hand_offs"))["hand_offs"]
        decided = await call(client, "answer_hand_off", hand_off_id=asked["id"], choice="approve", by="ada")
        result = await call(client, "run_result", run=started["id"], wait=40)
        listed = await call(client, "list_runs", name="payer")
        missing = await client.call_tool("run_status", {"run": "nothing"})
        unfit = await client.call_tool("run_result", {"run": "bill", "wait": 1_000})

    assert {"start_run", "run_status", "start_plan", "start_batch", "batch_status", "cancel_run"} <= set(tools)
    assert all(tool.description and tool.output_schema for tool in tools.values())
    assert tools["start_run"].input_schema["properties"]["agent"]["description"]
    assert tools["run_status"].annotations.read_only_hint is True
    assert (started["is_new"], again["is_new"]) == (True, False)
    assert parked["state"] == "parked"
    assert asked["id"] == on_desk["id"]
    assert asked["about"]["args"] == {"to": "ada", "amount": 5}
    assert decided["decided_by"] == "ada"
    assert (result["state"], result["output"]) == ("completed", "paid 5")
    assert [run["run_id"] for run in listed["runs"]] == ["bill"]
    assert folder.lines("paid") == ["5 to ada"]
    assert missing.is_error
    assert "There is no run 'nothing'" in missing.content[0].text
    assert unfit.is_error
    assert "printed while imported" in (folder.path / "mcp.err").read_text()


async def test_an_assistant_talks_and_lets_a_batch_be_worked_through(folder: Folder):
    async with folder.up("--workers", "1"), assistant(folder) as client:
        names = client.instructions
        await call(client, "start_run", agent="payer", prompt="hello", id="talk", conversation=True)
        said = await call(client, "send_message", run="payer/talk", content="you", message_id="m")
        repeated = await call(client, "send_message", run="payer/talk", content="you", message_id="m")
        answer = await call(client, "turn_result", run="payer/talk", turn=said["turn"], wait=40)
        cancelled = await call(client, "cancel_run", run="talk")
        documents = [{"text": "Lamps are bright."}, {"text": "Desks are flat."}]
        batch = await call(
            client, "start_batch", function="outlive.analyze", documents=documents, instruction="Sum up", id="two"
        )
        status = await call(client, "batch_status", batch=batch["id"], wait=40)
        page = await call(client, "batch_results", batch="two", limit=1)

    assert "- payer" in names
    assert said == repeated == {"turn": 2}
    assert answer["output"] == "YOU"
    assert cancelled["id"] == "agent/payer/talk"
    assert (status["state"], status["done"]) == ("finished", 2)
    assert (len(page["items"]), page["next"]) == (1, "1")
    assert json.dumps(page["items"][0]["result"])

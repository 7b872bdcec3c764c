"""Histories that earlier code has written are still understood: a change of the workflow that breaks them shows here.

Record them anew, after a change that is meant to break running workflows (see CHANGELOG.md), with
``python -m replay.record`` in ``tests/``, with ``src`` on the path. Beside a history that reads from the payload store
stands what it reads: ``NAME.chunks.json``, contents in base64 by digest.
"""

import base64
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from pydantic_ai import Agent
from pydantic_ai.durable_exec.temporal import PydanticAIPlugin
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from outlive import App, Durable
from outlive.agents.serving import FAILURES, Served
from outlive.engine.connection import data_converter
from outlive.payloads.vault import vault_of
from outlive.registry import serve_agents, serve_plans
from outlive.settings import Settings
from outlive.workflows.agent import AgentWorkflow
from outlive.workflows.batch import BatchWorkflow
from outlive.workflows.plan import PlanWorkflow
from outlive.workflows.scheduled import ScheduledWorkflow
from outlive.workflows.undo import UndoWorkflow
from outlive.workflows.wave import WaveWorkflow
from replay.agents import adder, board, built, calling, listener, sleeper, tidy
from replay.plans import declared

HERE = Path(__file__).parent
CHUNKS = {path.name.removesuffix(".chunks.json"): path for path in HERE.glob("*.chunks.json")}
HISTORIES = {path.stem: path.read_text() for path in sorted(HERE.glob("*.json")) if path not in CHUNKS.values()}
WORKFLOW_IDS = {  # children are named after their parents
    "agent_with_a_child": "agent/chief/r",
    "agent_with_two_children": "agent/board/r",
    "agent_with_a_tool_in_a_child": "agent/sleeper/r",
    "plan": "plan/mover/r",
}

Replay = Callable[..., Awaitable[None]]


@pytest.fixture
async def replay(tmp_path: Path) -> AsyncIterator[Replay]:
    """Replay a recorded history: ``await replay(name, *agents)``, these, or this app, instead of the recorded ones."""
    settings = Settings(home=tmp_path)
    vault = vault_of(settings)

    async def replay_history(name: str, *agents: Agent, chunks: bool = True, app: App | None = None) -> None:
        served = built() | {agent.name or "": agent for agent in agents}
        serve_agents([Served(agent) for agent in served.values()], failures=FAILURES)
        serve_plans((app or declared()).registry.plans.values())
        if chunks and name in CHUNKS:
            for digest, content in json.loads(CHUNKS[name].read_text()).items():
                vault.add(bytes.fromhex(digest), base64.b64decode(content))
            await vault.flush()
        replayer = Replayer(
            workflows=[BatchWorkflow, ScheduledWorkflow, AgentWorkflow, PlanWorkflow, WaveWorkflow, UndoWorkflow],
            data_converter=data_converter(settings),
            plugins=[PydanticAIPlugin()],
        )
        await replayer.replay_workflow(WorkflowHistory.from_json(WORKFLOW_IDS.get(name, name), HISTORIES[name]))

    yield replay_history
    serve_agents([])
    serve_plans([])


@pytest.mark.parametrize("name", HISTORIES)
async def test_a_recorded_history_replays(name: str, replay: Replay):
    await replay(name)


@pytest.mark.parametrize(
    ("name", "changed"),
    {
        "agent_told_of_a_failure": lambda: Agent(calling("fail"), name="buggy", capabilities=[Durable()]),
        "agent_continued_to_its_end": lambda: Agent(calling("look"), name="looker", capabilities=[Durable()]),
        "agent_with_two_children": lambda: board(listener()),
        "agent_as_a_child": lambda: adder(name="refuser"),
        "agent_with_an_mcp_server": lambda: adder(server_id="another"),
        "agent_with_a_tool_in_a_child": lambda: sleeper(in_a_child=False),
        "agent_compacting": lambda: tidy(compacts=False),
    }.items(),
)
async def test_an_agent_that_would_go_another_way_is_caught(name: str, changed: Callable[[], Agent], replay: Replay):
    with pytest.raises(NondeterminismError):
        await replay(name, changed())


@pytest.mark.parametrize("changed", [{"sleeps": False}, {"moves": False}], ids=str)
async def test_a_plan_that_would_go_another_way_is_caught(changed: dict[str, bool], replay: Replay):
    with pytest.raises(NondeterminismError):
        await replay("plan", app=declared(**changed))


async def test_the_tools_of_an_mcp_server_are_taken_from_the_history(replay: Replay):
    await replay("agent_with_an_mcp_server", adder(command="/no/such/server"))


async def test_the_second_half_of_a_run_needs_what_lies_in_the_payload_store(replay: Replay):
    with pytest.raises(Exception, match="payload store"):
        await replay("agent_continued_to_its_end", chunks=False)


def test_every_way_of_an_agent_is_recorded():
    ways = {
        "agent_continued_in_mid_turn": "WORKFLOW_EXECUTION_CONTINUED_AS_NEW",
        "agent_continued_to_its_end": '"continuedExecutionRunId"',
        "agent_conversation": "WORKFLOW_EXECUTION_UPDATE_COMPLETED",
        "agent_told_of_a_failure": '"agent__buggy__',
        "agent_parked_and_decided": "WORKFLOW_EXECUTION_UPDATE_ACCEPTED",
        "agent_with_a_child": "CHILD_WORKFLOW_EXECUTION_COMPLETED",
        "agent_with_two_children": "CHILD_WORKFLOW_EXECUTION_FAILED",
        "agent_as_a_child": '"parentWorkflowExecution"',
        "agent_with_an_mcp_server": "__mcp_server__tiny__get_tools",
        "agent_with_a_tool_in_a_child": "CHILD_WORKFLOW_EXECUTION_COMPLETED",
        "agent_compacting": "summarise",
        "agent_approved_at_the_desk": '"claim"',
        "agent_taken_over": '"take_over"',
        "agent_short_of_money": "BudgetExhausted",
    }

    assert {name for name in HISTORIES if name.startswith("agent_")} == set(ways)
    assert [name for name, sign in ways.items() if sign not in HISTORIES[name]] == []


def test_every_way_of_a_plan_is_recorded():
    ways = {
        "plan": "CHILD_WORKFLOW_EXECUTION_COMPLETED",
        "plan_wave_with_failures": "effect__move",
        "plan_wave_continued_to_its_end": '"continuedExecutionRunId"',
        "plan_undo": "outlive_undo_effect",
    }

    assert {name for name in HISTORIES if name.startswith("plan")} == set(ways)
    assert [name for name, sign in ways.items() if sign not in HISTORIES[name]] == []


def test_there_is_a_history_of_a_batch_that_waited_for_money():
    assert '"budget_changed"' in HISTORIES["batch_short_of_money"]


def test_there_are_histories_of_a_pause_and_of_continue_as_new():
    recorded = "".join(HISTORIES.values())

    assert "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED" in recorded
    assert "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW" in recorded
    assert "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED" in recorded

"""Histories that earlier code has written are still understood: a change of the workflow that breaks them shows here.

Record them anew, after a change that is meant to break running workflows (see CHANGELOG.md), with
``python -m replay.record`` in ``tests/``, with ``src`` on the path.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic_ai import Agent
from pydantic_ai.durable_exec.temporal import PydanticAIPlugin
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer
from temporalio.workflow import NondeterminismError

from outlive import Durable
from outlive.agents.serving import FAILURES, Served
from outlive.engine.connection import data_converter
from outlive.registry import serve_agents
from outlive.settings import Settings
from outlive.workflows.agent import AgentWorkflow
from outlive.workflows.batch import BatchWorkflow
from replay.agents import built, calling

HISTORIES = {path.stem: path.read_text() for path in sorted(Path(__file__).parent.glob("*.json"))}
AGENT_HISTORIES = [name for name in HISTORIES if name.startswith("agent_")]


@pytest.fixture
def replayer(tmp_path: Path) -> Iterator[Replayer]:
    """What replays batches, and runs of the recorded agents."""
    serve_agents([Served(agent) for agent in built().values()], failures=FAILURES)
    yield Replayer(
        workflows=[BatchWorkflow, AgentWorkflow],
        data_converter=data_converter(Settings(home=tmp_path)),
        plugins=[PydanticAIPlugin()],
    )
    serve_agents([])


@pytest.mark.parametrize("name", HISTORIES)
async def test_a_recorded_history_replays(name: str, replayer: Replayer):
    workflow_id = "agent/chief/r" if name == "agent_with_a_child" else name  # a child is named after its parent
    await replayer.replay_workflow(WorkflowHistory.from_json(workflow_id, HISTORIES[name]))


async def test_an_agent_that_would_go_another_way_is_caught(replayer: Replayer):
    without_its_tool = Agent(calling("fail"), name="buggy", capabilities=[Durable()])
    serve_agents([Served(without_its_tool)], failures=FAILURES)

    with pytest.raises(NondeterminismError):
        await replayer.replay_workflow(WorkflowHistory.from_json("told", HISTORIES["agent_told_of_a_failure"]))


def test_every_way_of_an_agent_is_recorded():
    assert len(AGENT_HISTORIES) == 5
    assert "EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED" in HISTORIES["agent_parked_and_decided"]
    assert "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW" in HISTORIES["agent_continued_in_mid_turn"]
    assert "EVENT_TYPE_CHILD_WORKFLOW_EXECUTION_COMPLETED" in HISTORIES["agent_with_a_child"]


def test_there_are_histories_of_a_pause_and_of_continue_as_new():
    recorded = "".join(HISTORIES.values())

    assert "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED" in recorded
    assert "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW" in recorded
    assert "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED" in recorded

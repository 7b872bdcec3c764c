"""Histories that earlier code has written are still understood: a change of the workflow that breaks them shows here.

Record them anew, after a change that is meant to break running workflows (see CHANGELOG.md), with
``python -m replay.record`` in ``tests/``, with ``src`` on the path.
"""

from pathlib import Path

import pytest
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from outlive.engine.connection import data_converter
from outlive.settings import Settings
from outlive.workflows.batch import BatchWorkflow

HISTORIES = {path.stem: path.read_text() for path in sorted(Path(__file__).parent.glob("*.json"))}


@pytest.mark.parametrize("name", HISTORIES)
async def test_a_recorded_history_replays(name: str, tmp_path: Path):
    replayer = Replayer(workflows=[BatchWorkflow], data_converter=data_converter(Settings(home=tmp_path)))

    await replayer.replay_workflow(WorkflowHistory.from_json(name, HISTORIES[name]))


def test_there_are_histories_of_a_pause_and_of_continue_as_new():
    recorded = "".join(HISTORIES.values())

    assert "EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED" in recorded
    assert "EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW" in recorded
    assert "EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED" in recorded

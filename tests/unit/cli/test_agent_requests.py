"""What is asked of an agent is checked before anything is started."""

import sys

import pytest

from outlive.cli.agent_requests import agent_request
from outlive.errors import AppError, UsageError
from outlive.requesting import made_up_id

APP = """
from dataclasses import dataclass
from outlive import App, Durable
from pydantic_ai import Agent
from pydantic_ai.models.test import TestModel

@dataclass
class Desk:
    name: str
    seats: int

clerk = Agent(TestModel(), name="clerk", deps_type=Desk, capabilities=[Durable()])
app = App("tests", agents=[clerk])
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "app.py").write_text(APP)
    yield tmp_path
    sys.modules.pop("app", None)


def request_for(agent, **options):
    return agent_request(agent, **({"app": None, "run_id": None, "model": None, "deps": None} | options))


def test_dependencies_become_what_the_agent_declares(folder):
    app, deps = request_for("clerk", deps='{"name": "north", "seats": 3}').load()

    assert app.name == "tests"
    assert (type(deps).__name__, deps.name, deps.seats) == ("Desk", "north", 3)


def test_dependencies_of_another_shape_are_refused_with_the_place(folder):
    with pytest.raises(UsageError, match=r"--deps is no JSON of Desk: Field required at 'seats'\."):
        request_for("clerk", deps='{"name": "north"}').load()


def test_an_agent_that_is_not_there_is_refused_with_those_that_are(folder):
    with pytest.raises(AppError, match=r"No agent 'boss' is declared\. Declared: clerk\."):
        request_for("boss").load()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"deps": "{nothing"}, "--deps is no JSON: "),
        ({"run_id": " "}, "' ' cannot be the id of a run"),
        ({"run_id": "a\nb"}, "cannot be the id of a run"),
        ({"app": "crooked:app"}, r"crooked\.py:1: .*Mend it there\."),
        ({"app": "nowhere_at_all"}, "No module 'nowhere_at_all'"),
    ],
)
def test_what_is_wrong_at_sight_is_refused_without_an_import(folder, options, said):
    (folder / "crooked.py").write_text("def\n")

    with pytest.raises(UsageError, match=said):
        request_for("clerk", **options)

    assert "app" not in sys.modules


def test_ids_that_are_made_up_differ(folder):
    assert len({made_up_id() for _ in range(100)}) == 100

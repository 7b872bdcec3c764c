"""``outlive deliveries`` on a ledger that nobody serves."""

import asyncio
import json
import time

import pytest
from click.testing import CliRunner, Result

from outlive.cli.checks import examine
from outlive.cli.findings import State
from outlive.cli.main import cli
from outlive.contracts.notifications import Occurrence, Webhook
from outlive.engine.home import Home
from outlive.errors import DeliveryError, DeliveryFailed
from outlive.ledger.ledger import Ledger
from outlive.ledger.outbox import Attempted, NewDelivery
from outlive.settings import Settings

HERE = Webhook("https://here.example", secret="env:HOOK")


@pytest.fixture
def home(tmp_path, monkeypatch) -> Home:
    monkeypatch.chdir(tmp_path)
    home = Home(tmp_path / ".outlive")
    home.create()
    return home


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["deliveries", *arguments])


def park(home: Home, count: int = 1) -> None:
    async def do() -> None:
        async with Ledger(home.ledger_db) as ledger:
            for number in range(count):
                new = NewDelivery(
                    event_id=f"e{number}", workflow_id=f"agent/a/{number}", occurrence=Occurrence.FAILED,
                    body='{"type": "t"}', at=time.time(), lasts=1.0,
                )  # fmt: skip
                ledger.outbox.add(new, [HERE])
            claimed = ledger.outbox.claim("x", {}, usual=count, most=count, lease=9.0)
            ledger.outbox.settle("x", [Attempted(delivery=one, error="It answered 500.") for one in claimed])

    asyncio.run(do())


def test_what_was_given_up_is_listed_shown_and_sent_again(home):
    park(home, 2)
    listed, shown, again = run("list"), run("show", "1"), run("redeliver", "--all")
    after = json.loads(run("list", "--state", "waiting", "--json").output)

    assert "parked" in listed.output
    assert "agent/a/1 failed → https://here.example, 1 attempt  It answered 500." in listed.output
    assert json.loads(shown.output)["event"] == {"type": "t"}
    assert again.output == "2 to be sent again.\n"
    assert [one["number"] for one in after] == [2, 1]


def test_one_of_a_run_is_sent_again_and_an_unknown_one_is_named(home):
    park(home, 2)

    assert run("redeliver", "2").output == "1 to be sent again.\n"
    assert "agent/a/1" in run("list", "--state", "waiting", "--run", "agent/a/1").output
    assert isinstance(run("redeliver", "7").exception, DeliveryError)
    assert isinstance(run("show", "7").exception, DeliveryError)
    assert isinstance(run("redeliver").exception, DeliveryError)


def test_a_list_of_nothing_says_how_to_be_told(home):
    assert "notify=Webhook" in run("list").stderr


def test_a_test_event_that_is_not_taken_says_why(home):
    assert isinstance(run("send-test", "--url", "http://127.0.0.1:9/x").exception, DeliveryFailed)
    assert isinstance(run("send-test").exception, DeliveryError)


async def test_doctor_tells_of_what_was_given_up(home):
    await asyncio.to_thread(park, home)
    found = [one for one in await examine(Settings(home=home.path)) if one.name == "deliveries"]

    assert [(one.state, one.found) for one in found] == [(State.FAULT, "events given up: 1")]

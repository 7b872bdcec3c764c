import asyncio
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from outlive.cli.main import cli
from outlive.cli.main import main as command_line
from outlive.engine.home import Home
from outlive.ledger.ledger import Ledger
from outlive.ledger.spending import Spent


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("OUTLIVE_HOME", str(tmp_path / ".outlive"))
    Home(tmp_path / ".outlive").create()
    return tmp_path / ".outlive"


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, words, catch_exceptions=False)


def spend(home: Path, *calls: Spent) -> None:
    async def write() -> None:
        async with Ledger(Home(home).ledger_db) as ledger:
            await ledger.call(ledger.spending.record, calls)

    asyncio.run(write())


def test_a_budget_is_set_listed_and_raised(home: Path):
    assert "No budgets" in run("budget", "list").output
    assert (
        run("budget", "set", "tenant/acme", "10usd,500calls").output == "Budget tenant/acme set: $10.00, 500 calls.\n"
    )
    assert run("budget", "raise", "tenant/acme", "20usd").output == "Budget tenant/acme raised: $20.00, 500 calls.\n"

    listed = run("budget", "list").output

    assert "tenant/acme" in listed
    assert "$20.00" in listed
    assert "500 calls" in listed


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("set", "acme", "10usd"), "is no key of a budget"),
        (("set", "tenant/acme", "10"), "is no budget"),
        (("raise", "tenant/acme", "10usd"), "There is no budget 'tenant/acme'"),
    ],
)
def test_a_mistake_is_named(home: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], said: str):
    with pytest.raises(SystemExit) as ended:
        command_line(["budget", *words])

    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_spending_says_how_many_calls_have_no_known_price(home: Path):
    priced = Spent(subject="agent/desk", model="m", input_tokens=1_000, output_tokens=20, usd_nanos=1_500_000_000)
    unpriced = Spent(subject="batch/b", model="blend", input_tokens=5, output_tokens=5, usd_nanos=None)
    spend(home, priced, unpriced)

    by_model = run("spend").output.splitlines()

    assert by_model[1].split() == ["m", "1", "1,000", "20", "$1.50", "0"]
    assert by_model[2].split() == ["blend", "1", "5", "5", "$0", "1"]
    assert "desk" in run("spend", "--by", "agent", "--since", "7d").output
    assert '"unpriced_calls": 1' in run("spend", "--by", "batch", "--json").output

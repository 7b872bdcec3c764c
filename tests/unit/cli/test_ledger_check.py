"""What `outlive doctor` says of the ledger."""

from outlive.cli.checks import _ledger
from outlive.cli.findings import State
from outlive.engine.home import Home
from outlive.engine.ports import free_port
from outlive.ledger.ledger import Ledger
from outlive.settings import Settings


async def test_a_ledger_that_is_not_there_yet_is_no_fault_and_is_not_created(tmp_path):
    home = Home(tmp_path / ".outlive")
    found = await _ledger(Settings(home=home.path), home)

    assert found.state is State.GOOD
    assert "will be created" in found.found
    assert not home.path.exists()


async def test_a_ledger_that_answers_is_named(where, tmp_path):
    settings = Settings(home=tmp_path / "state", ledger=where if isinstance(where, str) else "")
    async with Ledger(where) as ledger:
        found = await _ledger(settings, Home(settings.home))

    assert found.state is State.GOOD
    assert found.found == f"{ledger.name} answers"


async def test_a_server_that_does_not_answer_is_a_fault_and_its_password_is_not_told(tmp_path):
    settings = Settings(home=tmp_path / "state", ledger=f"postgresql://outlive:secret-word@127.0.0.1:{free_port()}/x")
    found = await _ledger(settings, Home(settings.home))

    assert found.state is State.FAULT
    assert "cannot be opened" in found.found
    assert "secret-word" not in f"{found}"

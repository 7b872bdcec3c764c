"""`outlive ledger migrate`: what is missing is added by whom may, and workers that may not go on."""

import asyncio
import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy import MetaData, create_engine, make_url, text

from outlive.cli.ledger import ledger
from outlive.errors import LedgerError
from outlive.ledger.ledger import Ledger
from outlive.ledger.migrating import LEDGER, migrate
from outlive.ledger.schema import SCHEMA_VERSION
from outlive.ledger.tables import Wanted
from unit.ledger.conftest import done, sealed
from unit.ledger.test_tables import later, open_as


def wanted(tables: MetaData) -> Wanted:
    return Wanted(tables=tables, version=SCHEMA_VERSION, called="ledger")


ADDED = ["table later", "column effects.later_note", "column effects.later_count", "index effects_by_later_note"]


def test_what_newer_code_lacks_is_told_then_added_then_there(where):
    migrate(where, LEDGER)

    assert migrate(where, wanted(later()), check=True).lacking == ADDED
    assert migrate(where, wanted(later())).lacking == ADDED
    assert migrate(where, wanted(later()), check=True).lacking == []
    assert migrate(where, LEDGER).lacking == []


def test_checking_writes_nothing(where):
    assert "table effects" in migrate(where, LEDGER, check=True).lacking
    assert "table effects" in migrate(where, LEDGER, check=True).lacking
    assert not (isinstance(where, Path) and where.exists())


async def test_code_of_before_goes_on_writing_while_and_after_a_newer_one_has_migrated(where):
    async with Ledger(where) as before:
        sealed(before, 3, "one")
        window = await before.window("one")
        await window.record(done(0))
        await asyncio.to_thread(migrate, where, wanted(later()))
        await window.record(done(1))
        async with Ledger(where) as opened_after:
            await (await opened_after.window("one")).record(done(2))

        progress = await before.call(before.batches.progress, "one")
    assert progress.done == 3


def test_a_ledger_of_a_newer_schema_is_refused(where):
    open_as(where, later())
    newer = Wanted(tables=LEDGER.tables, version=SCHEMA_VERSION - 1, called="ledger")

    with pytest.raises(LedgerError, match="was written by a newer Outlive"):
        migrate(where, newer)


@pytest.fixture
def worker_url(postgres_url: str, shared_postgres) -> str:
    """The same database for a role that may read and write, and create nothing."""
    shared_postgres.execute("DROP ROLE IF EXISTS worker")
    shared_postgres.execute("CREATE ROLE worker LOGIN PASSWORD 'w'")
    engine = create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for grant in ("ON TABLES TO worker", "ON SEQUENCES TO worker"):
            connection.execute(text(f"ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT ALL {grant}"))
    engine.dispose()
    return make_url(postgres_url).set(username="worker", password="w").render_as_string(hide_password=False)


async def test_a_worker_that_may_create_no_tables_starts_once_somebody_has_migrated(postgres_url, worker_url):
    with pytest.raises(LedgerError, match="let one who may run `outlive ledger migrate`"):
        async with Ledger(worker_url):
            pass
    migrate(postgres_url, LEDGER)

    async with Ledger(worker_url) as opened:
        sealed(opened, 1, "one")
        assert await opened.call(opened.batches.ids) == ["one"]


def test_the_command_tells_of_ledger_and_event_log(postgres_url, tmp_path, monkeypatch):
    monkeypatch.setenv("OUTLIVE_LEDGER", postgres_url)
    monkeypatch.setenv("OUTLIVE_HOME", str(tmp_path / "home"))
    before, done_, after = (CliRunner().invoke(ledger, ["migrate", *more]) for more in (["--check"], [], ["--check"]))
    told = json.loads(CliRunner().invoke(ledger, ["migrate", "--json"]).stdout)

    assert (before.exit_code, done_.exit_code, after.exit_code) == (1, 0, 0)
    assert "lacks (schema version 1):\n  table" in before.stdout
    assert "The event log postgresql://outlive:***@" in done_.stdout
    assert after.stdout.count("is up to date") == 2
    assert [(part["called"], part["lacking"]) for part in told] == [("ledger", []), ("event log", [])]
    assert not (tmp_path / "home").exists()

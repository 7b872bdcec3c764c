"""The ledger's file: who may read it, and what is said of one that cannot be opened."""

import asyncio
import stat

import pytest

from outlive.errors import LedgerError
from outlive.ledger.ledger import Ledger
from unit.ledger.conftest import sealed


async def test_the_file_is_for_its_owner_alone(path):
    async with Ledger(path):
        pass

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


async def test_commits_are_synced_and_readers_do_not_block(file_ledger):
    with file_ledger.engine.begin() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


async def test_a_ledger_opened_again_holds_what_it_held(where):
    async with Ledger(where) as first:
        sealed(first, 2)

    async with Ledger(where) as second:
        assert second.batches.find("b").document_count == 2


async def test_a_ledger_that_is_not_open_says_so(path):
    with pytest.raises(LedgerError, match="is not open"):
        _ = Ledger(path).batches


async def test_a_file_that_is_no_ledger_is_named(path):
    path.parent.mkdir()
    path.write_bytes(b"this is not a database, whatever its name says" * 100)

    with pytest.raises(LedgerError, match=f"The ledger '{path}' cannot be opened: file is not a database"):
        await Ledger(path).__aenter__()


async def test_a_damaged_ledger_is_named(path):
    async with Ledger(path) as ledger:
        sealed(ledger, 500)
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(100)
        file.write(b"\xff" * (size - 100))

    with pytest.raises(LedgerError, match=f"The ledger '{path}' cannot be opened: .*malformed"):
        await Ledger(path).__aenter__()


async def test_a_ledger_of_a_newer_outlive_is_left_alone(where):
    async with Ledger(where) as ledger:
        with ledger.engine.execution_options(outlive_writes=True).begin() as connection:
            connection.exec_driver_sql("UPDATE meta SET value = '999' WHERE name = 'schema_version'")

    with pytest.raises(LedgerError, match=r"written by a newer Outlive \(schema 999, this one knows 1\)"):
        await Ledger(where).__aenter__()


async def test_a_ledger_opened_by_many_at_once_is_made_once(where):
    ledgers = [Ledger(where) for _ in range(8)]
    await asyncio.gather(*(ledger.__aenter__() for ledger in ledgers))

    sealed(ledgers[0], 1)

    assert all(ledger.batches.find("b") is not None for ledger in ledgers)
    await asyncio.gather(*(ledger.__aexit__(None, None, None) for ledger in ledgers))

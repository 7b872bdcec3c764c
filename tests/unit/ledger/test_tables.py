"""Ledgers of older and newer code: what is missing is added on opening, and both go on working side by side.

`schema-1.sql` is what the first code of schema version 1 made; it never changes.
"""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from sqlalchemy import Column, Index, Integer, MetaData, String, Table, inspect, text

from outlive.ledger import schema
from outlive.ledger.database import open_database, open_sqlite
from outlive.ledger.effects import EffectClaim, EffectState
from outlive.ledger.ledger import Ledger, open_ledger
from outlive.ledger.postgres import open_postgres
from outlive.ledger.tables import Wanted
from unit.ledger.conftest import done, sealed

FIRST = Path(__file__).with_name("schema-1.sql").read_text()
CLAIM = EffectClaim(effect_key="k", workflow_id="w", activity_id="1", kind="tool", name="t")


@pytest.fixture
def first(path: Path) -> Path:
    """A ledger that the first code of this schema version has made and written into."""
    path.parent.mkdir(mode=0o700)
    connection = sqlite3.connect(path)
    connection.executescript(FIRST)
    connection.execute(
        "INSERT INTO effects (effect_key, workflow_id, activity_id, kind, name, state, attempts, failures, begun_at)"
        " VALUES ('old', 'w', '1', 'tool', 't', 'begun', 1, 0, 1.0)"
    )
    connection.commit()
    connection.close()
    return path


def later() -> MetaData:
    """The tables of a later Outlive, which knows more of effects, and a table of its own."""
    tables = MetaData()
    for table in schema.metadata.sorted_tables:
        table.to_metadata(tables)
    effects = tables.tables["effects"]
    effects.append_column(Column("later_note", String(40)))
    effects.append_column(Column("later_count", Integer, nullable=False, server_default="7"))
    Index("effects_by_later_note", effects.c.later_note)
    Table("later", tables, Column("number", Integer, primary_key=True))
    return tables


def open_as(where: Path | str, tables: MetaData) -> None:
    """Open a ledger as code would that knows these tables."""
    wanted = Wanted(tables=tables, version=schema.SCHEMA_VERSION, called="ledger")
    if isinstance(where, Path):
        open_sqlite(where, tables, version=schema.SCHEMA_VERSION).dispose()
    else:
        open_postgres(where, wanted).dispose()


def names(where: Path | str) -> dict[str, set[str]]:
    """Tables and their columns, and all indexes under an empty name."""
    engine = open_ledger(where)
    found = inspect(engine)
    columns = {table: {column["name"] for column in found.get_columns(table)} for table in found.get_table_names()}
    columns[""] = {index["name"] for table in list(columns) for index in found.get_indexes(table)}
    engine.dispose()
    return columns


async def test_a_ledger_of_the_first_code_gets_what_it_lacks_and_keeps_what_it_has(first, tmp_path):
    open_database(tmp_path / "new.db").dispose()

    async with Ledger(first) as ledger:
        claimed = await ledger.call(ledger.effects.claim, CLAIM)
        kept = await ledger.call(ledger.effects.of_workflow, "w")

    assert claimed.record.attempts == 1
    assert [record.effect_key for record in kept] == ["old", "k"]
    assert names(first) == names(tmp_path / "new.db")


async def test_older_code_goes_on_while_newer_code_adds_to_its_open_ledger(where):
    async with Ledger(where) as older:
        sealed(older, 2)
        window = await older.window("b")
        await older.call(older.effects.claim, CLAIM)
        await asyncio.to_thread(open_as, where, later())
        finished = await older.call(older.effects.finish, "k", b"r", {})
        again = await older.call(older.effects.claim, CLAIM)
        await window.record(done(1))
        progress = await older.call(older.batches.progress, "b")
    async with Ledger(where) as reopened:
        rows = await reopened.call(_later_values, reopened.engine)

    assert finished == b"r"
    assert again.record.state is EffectState.DONE
    assert progress.done == 1
    assert rows == [(None, 7)]


async def test_openers_at_once_add_each_thing_once(where):
    await asyncio.to_thread(open_as, where, schema.metadata)

    await asyncio.gather(*(asyncio.to_thread(open_as, where, later()) for _ in range(8)))

    found = names(where)
    assert found["effects"] >= {"later_note", "later_count"}
    assert "effects_by_later_note" in found[""]
    assert "later" in found


def test_what_was_added_since_the_first_code_may_be_added_under_older_code():
    connection = sqlite3.connect(":memory:")
    connection.executescript(FIRST)
    for table in schema.metadata.sorted_tables:
        known = {row[1] for row in connection.execute(f"PRAGMA table_info({table.name})")}
        if not known:
            continue  # a table that older code does not know
        indexes = {row[1] for row in connection.execute(f"PRAGMA index_list({table.name})")}
        added = [column for column in table.columns if column.name not in known]

        assert known <= {column.name for column in table.columns}, f"{table.name} has lost a column"
        for column in added:
            assert column.nullable or column.server_default is not None, f"older code cannot fill {column}"
            assert not column.primary_key, f"{column} cannot join the key of a table that exists"
        for index in table.indexes:
            assert index.name in indexes or not index.unique, f"older code knows nothing of {index.name}"
    connection.close()


def _later_values(engine):
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text("SELECT later_note, later_count FROM effects"))]

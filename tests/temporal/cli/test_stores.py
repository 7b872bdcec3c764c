"""Documents from a bucket or a database, and results into one, as their user types it: real processes throughout."""

import contextlib
import json
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import obstore
import pytest

from object_store import ObjectServer
from temporal.cli.test_analyze import Project

SUMMARISE = "Summarise in one sentence"


@pytest.fixture
async def project(tmp_path: Path) -> AsyncIterator[Project]:
    project = Project(tmp_path, documents=3)
    yield project
    for process in project.started:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.fixture
def warehouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "warehouse.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE tickets (number INTEGER PRIMARY KEY, body TEXT)")
        rows = [(number, f"Birds sing. Ticket {number} is open.") for number in range(5)]
        connection.executemany("INSERT INTO tickets VALUES (?, ?)", rows)
    monkeypatch.setenv("WAREHOUSE", f"sqlite:///{path}")
    return path


def rows_of(path: Path, query: str) -> list[tuple]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


async def test_rows_of_a_query_become_rows_of_a_table_and_a_repeat_pays_nothing_and_changes_nothing(project, warehouse):
    asked = ("--query", "SELECT number, body FROM tickets", "--key", "number", "--text-column", "body")
    command = ("analyze", "sql:WAREHOUSE", SUMMARISE, *asked, "-o", "sql:WAREHOUSE/answers")
    first, again = [await project.run(*command) for _ in range(2)]

    assert first[0] == 0, first
    assert "5 rows in sql:WAREHOUSE/answers" in first[2]
    assert "finished already" in again[2]
    found = rows_of(warehouse, "SELECT uri, status, result, fields_number FROM answers ORDER BY position")
    assert [(uri, status, number) for uri, status, _, number in found] == [
        (f"sql:WAREHOUSE#{number}", "done", number) for number in range(5)
    ]
    assert all("Birds sing" in result for _, _, result, _ in found)


async def test_columns_of_answers_have_the_types_that_were_asked_for(project, warehouse):
    schema = project.folder / "schema.json"
    properties = {"summary": {"type": "string"}, "length": {"type": "integer"}}
    schema.write_text(json.dumps({"type": "object", "properties": properties, "required": ["summary"]}))
    code, _, said = await project.run(
        *("analyze", "docs", SUMMARISE, "--schema", "schema.json", "-o", "sql:WAREHOUSE/answers")
    )

    assert code == 0, said
    types = dict(rows_of(warehouse, "SELECT name, type FROM pragma_table_info('answers')"))
    assert (types["result_summary"], types["result_length"]) == ("TEXT", "BIGINT")


async def test_objects_of_a_prefix_become_an_object(project, bucket: str, shared_objects: ObjectServer):
    store = shared_objects.bucket(bucket)
    for number in range(4):
        obstore.put(store, f"in/{number}.txt", f"Birds sing. Tree {number} stands here.".encode())
    code, _, said = await project.run("analyze", f"s3://{bucket}/in", SUMMARISE, "-o", f"s3://{bucket}/out.jsonl")

    assert code == 0, said
    lines = [json.loads(line) for line in bytes(obstore.get(store, "out.jsonl").bytes()).splitlines()]
    assert [(line["uri"], line["status"]) for line in lines] == [
        (f"s3://{bucket}/in/{number}.txt", "done") for number in range(4)
    ]


async def test_a_place_that_cannot_be_written_is_said_before_anything_is_done(project, monkeypatch):
    monkeypatch.setenv("NOWHERE", "postgresql://u:secret@127.0.0.1:1/d")
    code, _, said = await project.run("analyze", "docs", SUMMARISE, "-o", "sql:NOWHERE/answers")

    assert code == 2
    assert "cannot be written to 'sql:NOWHERE/answers'" in said
    assert "secret" not in said
    assert project.done(SUMMARISE) == 0

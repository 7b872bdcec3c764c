"""Rows as documents, and tables as places of results; what holds of one database holds of the other."""

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, inspect, text

from outlive.cli.results import check_destination
from outlive.contracts.outcomes import Cause
from outlive.documents.rows import ResultRow, kinds_of_schema
from outlive.documents.sinks import open_sink
from outlive.documents.sources import open_source
from outlive.documents.sql import SqlSource
from outlive.errors import SinkError, SourceError

QUERY = "SELECT id, body AS text, price, made FROM tickets;"
FILL = """
CREATE TABLE tickets (id INTEGER PRIMARY KEY, body TEXT, price NUMERIC(8,2), made DATE, twin INTEGER);
INSERT INTO tickets VALUES (3, 'three %s :x', 1.50, '2026-01-03', 1);
INSERT INTO tickets VALUES (1, 'one', NULL, NULL, 1);
INSERT INTO tickets VALUES (20, NULL, 0, '2026-01-20', 2);
"""


@pytest.fixture
def database(where: Path | str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A database with some tickets; ``WAREHOUSE`` holds its URL."""
    if isinstance(where, Path):
        where.parent.mkdir()
        url = f"sqlite:///{where}"
    else:
        url = where
    monkeypatch.setenv("WAREHOUSE", url)
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    run(engine, FILL)
    yield engine
    engine.dispose()


def run(engine: Engine, statements: str) -> None:
    with engine.begin() as connection:
        for statement in filter(str.strip, statements.split(";")):
            connection.exec_driver_sql(statement, execution_options={"no_parameters": True})


def refusal(query: str, **how: str) -> str:
    with pytest.raises(SourceError) as caught:
        list(open_source("sql:WAREHOUSE", query=query, **how).entries())
    return str(caught.value)


def test_each_row_is_a_document_in_the_order_of_its_key(database):
    entries = list(open_source("sql:WAREHOUSE", query=QUERY).entries())

    assert [entry.uri for entry in entries] == ["sql:WAREHOUSE#1", "sql:WAREHOUSE#3", "sql:WAREHOUSE#20"]
    assert [entry.text for entry in entries] == ["one", "three %s :x", None]
    assert entries[0].fields == {"id": 1, "price": None, "made": None}
    assert (entries[1].fields["id"], float(entries[1].fields["price"])) == (3, 1.5)
    assert entries[1].fields["made"] == "2026-01-03"
    assert (entries[2].cause, entries[2].reason) == (
        Cause.BROKEN,
        "Row '20' of sql:WAREHOUSE has no text in 'text'.",
    )


def test_columns_are_named_in_any_case_and_an_address_is_read_by_the_workers(database):
    query = "SELECT id, 'https://example.org/' || id AS place FROM tickets"
    entries = list(SqlSource(database="WAREHOUSE", query=query, key="ID", address="Place").entries())

    assert [(entry.uri, entry.text) for entry in entries][:2] == [
        ("https://example.org/1", None),
        ("https://example.org/3", None),
    ]


def test_a_key_that_comes_twice_is_an_error_wherever_it_comes(database):
    assert "does not tell rows apart: '1' comes more than once" in refusal(
        "SELECT twin AS id, 'x' AS text FROM tickets"
    )
    run(database, "CREATE TABLE many (n INTEGER)")
    with database.begin() as connection:
        connection.execute(text("INSERT INTO many VALUES (:n)"), [{"n": n} for n in [*range(3000), 2999]])
    source = open_source("sql:WAREHOUSE", query="SELECT n, 'x' AS text FROM many", key="n")
    with pytest.raises(SourceError, match="'2999' comes more than once"):
        list(source.entries())


def test_what_a_query_may_not_do_or_lacks_is_said(database):
    assert "gives no rows" in refusal("SELECT id, body AS text FROM tickets WHERE id > 99")
    assert "gives no column 'number', but 'id', 'text'" in refusal("SELECT id, body AS text FROM tickets", key="number")
    assert "has no 'id'" in refusal("SELECT NULL AS id, body AS text FROM tickets")
    assert "failed: " in refusal("SELECT id FROM nothing")
    assert "failed: " in refusal("DELETE FROM tickets")
    assert "Leave it out of the query" in refusal(
        "SELECT id, 'x' AS text, CAST('a' AS " + blob(database) + ") AS b FROM tickets"
    )
    with database.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM tickets")).scalar() == 3


def blob(database: Engine) -> str:
    return "BLOB" if database.dialect.name == "sqlite" else "BYTEA"


def test_a_query_cannot_change_anything_even_by_a_function(database, request):
    if database.dialect.name == "sqlite":
        pytest.skip("SQLite has no functions that write")
    run(database, "CREATE FUNCTION harm() RETURNS INT LANGUAGE SQL AS 'DELETE FROM tickets RETURNING 1'")

    assert "read-only transaction" in refusal("SELECT id, body AS text, harm() FROM tickets")


def test_a_database_that_is_not_named_rightly_is_said_without_its_password(monkeypatch):
    assert "'WAREHOUSE' is not set" in refusal("SELECT 1")
    monkeypatch.setenv("WAREHOUSE", "mysql://me:secret@host/db")
    assert "secret" not in refusal("SELECT 1")
    monkeypatch.setenv("WAREHOUSE", "no url with secret")
    assert "secret" not in refusal("SELECT 1")
    monkeypatch.setenv("WAREHOUSE", "postgresql://me:secret@127.0.0.1:1/db")
    said = refusal("SELECT 1")
    assert "failed: " in said
    assert "secret" not in said


def test_query_and_key_belong_to_databases(database, tmp_path):
    (tmp_path / "a.txt").write_text("a")
    with pytest.raises(SourceError, match="`--query` and `--key` are for sql:VARIABLE"):
        open_source(tmp_path / "a.txt", query="SELECT 1")
    with pytest.raises(SourceError, match="needs a query"):
        open_source("sql:WAREHOUSE")


TABLE = "sql:WAREHOUSE/results"


def done(position: int, result: object, uri: str | None = None, **more: object) -> ResultRow:
    return ResultRow(position=position, uri=uri or f"u{position}", status="done", result=result, **more)


def write(rows: list[ResultRow], destination: str = TABLE, **how: object) -> None:
    with open_sink(destination, **how) as sink:
        sink.write(rows)


def table_of(database: Engine, columns: str = "uri, status, result_n, result_text") -> list[tuple]:
    with database.connect() as connection:
        return [tuple(row) for row in connection.execute(text(f"SELECT {columns} FROM results ORDER BY position"))]


def test_a_table_has_a_row_for_each_document_and_a_repeat_gives_the_same_table(database):
    rows = [
        done(0, {"n": 1, "text": "a\0b"}, usd=Decimal("0.000000001"), fields={"id": 7}),
        done(1, {"n": None, "text": ["x"]}),
        ResultRow(position=2, uri="u2", status="failed", cause="not_found", reason="404."),
    ]
    for _ in range(2):
        write(rows)
        assert table_of(database) == [
            ("u0", "done", 1, "a\ufffdb"),
            ("u1", "done", None, '["x"]'),
            ("u2", "failed", None, None),
        ]
        ((usd, field, reason),) = table_of(database, "usd, fields_id, (SELECT reason FROM results WHERE uri = 'u2')")[
            :1
        ]
        assert (float(usd), field, reason) == (1e-9, 7, "404.")


def test_later_results_replace_those_of_the_same_documents_and_leave_the_others(database):
    write([done(0, {"n": 1, "text": "old"}), done(1, {"n": 2, "text": "stays"})])
    write([done(0, {"n": 3, "text": "new", "more": True})])

    assert sorted(table_of(database, "uri, result_n, result_text, result_more")) == [
        ("u0", 3, "new", True),
        ("u1", 2, "stays", None),
    ]


def test_columns_have_the_types_of_the_output_model_whatever_the_first_results_are(database):
    schema = {
        "properties": {
            "n": {"type": "integer"},
            "score": {"anyOf": [{"type": "number"}, {"type": "null"}]},
            "is_good": {"type": ["boolean", "null"]},
            "text": {"type": "string"},
            "topics": {"type": "array"},
        }
    }
    write(
        [ResultRow(position=0, uri="u0", status="failed", cause="timeout", reason="slow")],
        kinds=kinds_of_schema(schema),
    )

    types = {found["name"]: str(found["type"]).partition("(")[0] for found in inspect(database).get_columns("results")}
    assert types["result_n"] == "BIGINT"
    assert types["result_score"] in {"DOUBLE", "DOUBLE PRECISION"}
    assert (types["result_is_good"], types["result_text"], types["result_topics"]) == ("BOOLEAN", "TEXT", "TEXT")


def test_an_entry_that_repeats_another_has_no_row_of_its_own_but_a_name_that_means_two_is_refused(database):
    write([done(0, {"n": 1, "text": "a"}, "u"), done(1, {"n": 1, "text": "a"}, "u", duplicate_of=0)])
    assert table_of(database, "position, uri") == [(0, "u")]

    with pytest.raises(SinkError, match="Two documents of the batch are called 'v'"):
        write([done(0, {"n": 1, "text": "a"}, "v"), done(1, {"n": 2, "text": "b"}, "v")])
    assert table_of(database, "position, uri") == [(0, "u")]


def test_readers_see_all_or_nothing_and_a_writer_that_fails_leaves_the_table_as_it_was(database):
    write([done(0, {"n": 1, "text": "before"})])
    with open_sink(TABLE) as sink:
        sink.write([done(number, {"n": 2, "text": "after"}) for number in range(3000)])
        assert table_of(database) == [("u0", "done", 1, "before")]
    assert len(table_of(database)) == 3000
    with pytest.raises(ZeroDivisionError):
        fail(database)

    assert {row[3] for row in table_of(database)} == {"after"}


def fail(database: Engine) -> None:
    with open_sink(TABLE) as sink:
        sink.write([done(number, {"n": 3, "text": "never", "new": 1}) for number in range(2000)])
        raise ZeroDivisionError


def test_trying_a_destination_leaves_no_table(database):
    check_destination(TABLE)

    assert inspect(database).get_table_names() == ["tickets"]


def test_what_a_table_cannot_take_is_said(database):
    def said(destination: str = TABLE, result: object = None, **how: object) -> str:
        with pytest.raises(SinkError) as caught:
            write([done(0, result)], destination, **how)
        return str(caught.value)

    assert "names no table" in said("sql:WAREHOUSE")
    assert "has no format" in said(format="csv")
    assert "but for their case" in said(result={"a": 1, "A": 2})
    assert "too long a name" in said(result={"a" * 80: 1})
    assert "cannot be written" in said("sql:WAREHOUSE/no_such_schema.results", {"a": 1})
    assert "cannot be written" in said("sql:WAREHOUSE/tickets", {"a": 1})
    write([done(0, {"n": 1, "text": json.dumps({})})])
    if database.dialect.name != "sqlite":  # whose columns take anything
        assert "result_n" in said(result={"n": "a text", "text": "b"})

import csv
import io
import json
import os
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from outlive.contracts.outcomes import Cause, Status
from outlive.documents.rows import ResultRow
from outlive.documents.sinks import open_sink
from outlive.errors import SinkError


def done(position: int, result: object, **more: object) -> ResultRow:
    return ResultRow(position=position, uri=f"http://a/{position}", status=Status.DONE, result=result, **more)


def failed(position: int) -> ResultRow:
    return ResultRow(
        position=position, uri=f"http://a/{position}", status=Status.FAILED, cause=Cause.NOT_FOUND, reason="404."
    )


def refusal(destination: object, **how: object) -> str:
    with pytest.raises(SinkError) as caught, open_sink(destination, **how):
        pass
    return str(caught.value)


def csv_rows(path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_json_lines_keep_the_result_as_it_is(tmp_path):
    path = tmp_path / "out.jsonl"
    result = {"summary": "é\n\u2028", "topics": ["a", {"b": None}], "n": 1.5}
    with open_sink(path) as sink:
        sink.write([done(0, result, model="m", input_tokens=3, usd=Decimal("0.000000001"), fields={"id": "7"})])
        sink.write([failed(1), done(2, "plain", reused=True, duplicate_of=0)])

    rows = [json.loads(line) for line in path.read_text().split("\n")[:-1]]
    assert rows[0]["result"] == result
    assert (rows[0]["usd"], rows[0]["fields"], rows[0]["model"]) == (1e-9, {"id": "7"}, "m")
    assert (rows[1]["status"], rows[1]["cause"], rows[1]["reason"]) == ("failed", "not_found", "404.")
    assert (rows[2]["result"], rows[2]["reused"], rows[2]["duplicate_of"]) == ("plain", True, 0)
    assert sink.rows_written == 3


def test_half_a_surrogate_pair_spoils_no_file(tmp_path):
    for ending in ("jsonl", "csv", "parquet"):
        with open_sink(tmp_path / f"out.{ending}") as sink:
            sink.write([done(0, {"a": "x\ud800y\x00"}, fields={"f": "\udfff"})])

    assert json.loads((tmp_path / "out.jsonl").read_text())["result"] == {"a": "x\ud800y\x00"}
    assert csv_rows(tmp_path / "out.csv")[0]["result.a"] == "x\ufffdy\ufffd"
    assert pq.read_table(tmp_path / "out.parquet")["result.a"].to_pylist() == ["x\ufffdy\ufffd"]


def test_a_table_spreads_objects_over_columns(tmp_path):
    path = tmp_path / "out.csv"
    with open_sink(path) as sink:
        sink.write([failed(0), done(1, {"summary": "s", "topics": ["a", "b"], "ok": True}, fields={"id": "7"})])
        sink.write([done(2, "text only")])

    rows = csv_rows(path)
    assert list(rows[0]) == [
        *("position", "uri", "status", "result.summary", "result.topics", "result.ok", "result", "cause", "reason"),
        *("model", "input_tokens", "output_tokens", "usd", "reused", "duplicate_of", "fields.id", "fields"),
    ]
    assert (rows[0]["cause"], rows[0]["result.summary"]) == ("not_found", "")
    assert (rows[1]["result.topics"], rows[1]["result.ok"], rows[1]["fields.id"]) == ('["a", "b"]', "true", "7")
    assert rows[2]["result"] == "text only"


def test_what_fits_no_column_stands_in_the_last_and_is_not_lost(tmp_path):
    for ending in ("csv", "parquet"):
        with open_sink(tmp_path / f"out.{ending}") as sink:
            sink.write([done(number, {"score": number}) for number in range(1000)])
            sink.write([done(1000, {"score": "high", "new": [1]}), done(1001, {"score": 2**70}), done(1002, [1, 2])])

    last = csv_rows(tmp_path / "out.csv")[-3:]
    assert [row["result.score"] for row in last] == ["", "", ""]
    assert json.loads(last[0]["result"]) == {"new": [1], "score": "high"}
    assert json.loads(last[1]["result"]) == {"score": 2**70}
    assert last[2]["result"] == "[1, 2]"
    table = pq.read_table(tmp_path / "out.parquet")
    assert table.schema.field("result.score").type == pa.int64()
    assert table["result"].to_pylist()[-3:] == [row["result"] for row in last]


def test_named_columns_stand_in_their_order_whatever_comes_first(tmp_path):
    for ending in ("csv", "parquet"):
        with open_sink(tmp_path / f"out.{ending}", columns=["b", "a"]) as sink:
            sink.write([failed(0)])
            sink.write([done(1, {"a": 1, "b": "x", "c": 2})])

    row = csv_rows(tmp_path / "out.csv")[1]
    assert list(row)[3:6] == ["result.b", "result.a", "result"]
    assert (row["result.b"], row["result.a"], row["result"]) == ("x", "1", '{"c": 2}')
    assert pq.read_table(tmp_path / "out.parquet")["result.a"].to_pylist() == [None, 1]


def test_parquet_has_types_and_exact_money(tmp_path):
    path = tmp_path / "out.parquet"
    with open_sink(path) as sink:
        sink.write([failed(0)])
        sink.write(
            [done(1, {"n": 1, "x": 1, "b": True, "s": "t", "l": [1]}, usd=Decimal("0.123456789"), duplicate_of=0)]
        )
        sink.write([done(2, {"n": None, "x": 0.5, "b": False, "s": None, "l": None})])

    table = pq.read_table(path)
    types = {name: str(table.schema.field(f"result.{name}").type) for name in "nxbsl"}
    assert types == {"n": "int64", "x": "double", "b": "bool", "s": "string", "l": "string"}
    assert table["usd"].to_pylist() == [None, Decimal("0.123456789"), None]
    assert table["duplicate_of"].to_pylist() == [None, 0, None]
    assert table["result.x"].to_pylist() == [None, 1.0, 0.5]


def test_a_large_parquet_file_is_written_in_groups(tmp_path):
    path = tmp_path / "out.parquet"
    with open_sink(path) as sink:
        for start in range(0, 20_000, 500):
            sink.write([done(start + offset, {"a": "x"}) for offset in range(500)])

    file = pq.ParquetFile(path)
    assert file.metadata.num_rows == 20_000
    assert file.metadata.num_row_groups >= 4
    assert pq.read_table(path)["position"].to_pylist() == list(range(20_000))


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_no_rows_make_a_file_that_can_be_read(tmp_path, ending):
    path = tmp_path / f"out.{ending}"
    with open_sink(path):
        pass

    assert path.exists()
    if ending == "csv":
        assert csv_rows(path) == []
    if ending == "parquet":
        assert pq.read_table(path).num_rows == 0


@pytest.mark.parametrize(
    "text",
    ["=1+2", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", '=HYPERLINK("http://x","y")'],
)
def test_a_spreadsheet_runs_nothing_that_a_document_says(tmp_path, text):
    with open_sink(tmp_path / "out.csv") as sink:
        sink.write([done(0, {"a": text, text: "b"}, fields={"f": text}), done(1, text)])

    with (tmp_path / "out.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file) for cell in row]
    assert f"'{text}".replace("\r", "\n") in cells
    assert not any(cell.startswith(tuple("=+-@\t\r\n\uff1d")) for cell in cells)


@pytest.mark.parametrize("text", ["-5", "+1.5e3", "-12%", "-1,234.5", "plain", "", "a=b"])
def test_numbers_and_plain_texts_are_left_alone(tmp_path, text):
    with open_sink(tmp_path / "out.csv") as sink:
        sink.write([done(0, {"a": text, "n": -5})])

    row = csv_rows(tmp_path / "out.csv")[0]
    assert (row["result.a"], row["result.n"]) == (text, "-5")


@pytest.mark.parametrize("ending", ["jsonl", "csv", "parquet"])
def test_an_exception_leaves_what_was_there_and_nothing_else(tmp_path, ending):
    path = tmp_path / f"out.{ending}"
    path.write_text("of yesterday")

    def break_off() -> None:
        with open_sink(path) as sink:
            sink.write([done(number, {"a": 1}) for number in range(2000)])
            sink.write([done(2000, 1 / 0)])

    with pytest.raises(ZeroDivisionError):
        break_off()

    assert path.read_text() == "of yesterday"
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


def test_the_file_is_not_there_before_it_is_whole(tmp_path):
    path = tmp_path / "out.jsonl"
    with open_sink(path) as sink:
        sink.write([done(0, 1)])
        assert not path.exists()

    assert path.exists()
    assert path.stat().st_mode & 0o444 == 0o444 & ~_umask()


def _umask() -> int:
    current = os.umask(0)
    os.umask(current)
    return current


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "link.jsonl").symlink_to(tmp_path / "real.jsonl")
    with open_sink(tmp_path / "link.jsonl") as sink:
        sink.write([done(0, 1)])

    assert (tmp_path / "link.jsonl").is_symlink()
    assert json.loads((tmp_path / "real.jsonl").read_text())["result"] == 1


def test_a_device_stays_a_device():
    with open_sink("/dev/null", format="csv") as sink:
        sink.write([done(0, 1)])

    assert not os.path.isfile("/dev/null")  # noqa: PTH113


def test_standard_output_takes_json_lines_and_csv_and_stays_open():
    for format_, expected in ((None, b'{"position": 0'), ("csv", b"position,uri,")):
        out = io.BytesIO()
        with open_sink("-", format=format_, stdout=out) as sink:
            sink.write([done(0, 1)])

        assert out.getvalue().startswith(expected)


def test_a_full_disk_is_an_error_with_its_reason():
    with pytest.raises(SinkError, match="No space left"), open_sink("/dev/full", format="jsonl") as sink:
        sink.write([done(0, "x" * 100_000)])


def test_what_cannot_be_written_is_refused_before_anything_starts(tmp_path):
    assert "does not exist" in refusal(tmp_path / "nowhere/out.csv")
    assert "is a folder" in refusal(tmp_path, format="csv")
    assert "names no format" in refusal(tmp_path / "out.xlsx")
    assert "'xlsx' is not known" in refusal(tmp_path / "out", format="xlsx")
    assert "standard output" in refusal("-", format="parquet")
    assert list(tmp_path.iterdir()) == []

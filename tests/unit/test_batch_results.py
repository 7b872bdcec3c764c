"""Results as the parts of a file, as they are read."""

import json
from collections.abc import AsyncIterator

import pytest

from outlive.batch_results import results_as_bytes
from outlive.errors import SinkError
from outlive.ledger.records import DocumentResult


def result(position: int) -> DocumentResult:
    return DocumentResult(
        position=position,
        uri=f"http://a/{position}",
        fields={"n": position},
        duplicate_of=None,
        status="done",
        result='{"summary": "ä"}',
        cause=None,
        reason=None,
        model="m",
        input_tokens=1,
        output_tokens=1,
        usd_nanos=1_500_000_000,
        reused=False,
        seconds=1.0,
    )


class Chunks:
    """Rows in chunks, and how many chunks were read so far."""

    def __init__(self, count: int, size: int) -> None:
        self.read = 0
        self._count, self._size = count, size

    async def rows(self) -> AsyncIterator[list[DocumentResult]]:
        for number in range(self._count):
            self.read += 1
            yield [result(number * self._size + place) for place in range(self._size)]


async def test_lines_come_as_they_are_read():
    chunks = Chunks(3, 2)
    parts = results_as_bytes(chunks.rows(), "jsonl")

    first = await anext(parts)
    read_by_then = chunks.read
    rest = [part async for part in parts]

    assert read_by_then == 1
    lines = (first + b"".join(rest)).splitlines()
    assert [json.loads(line)["position"] for line in lines] == list(range(6))
    assert json.loads(lines[0])["usd"] == 1.5


@pytest.mark.parametrize(("count", "size"), [(0, 1), (1, 3), (3, 700)])
async def test_a_table_has_a_head_and_all_rows(count, size):
    body = b"".join([part async for part in results_as_bytes(Chunks(count, size).rows(), "csv")]).decode()

    head, *rows = body.splitlines()
    assert head.startswith("position,uri,status")
    assert len(rows) == count * size


async def test_parquet_is_written_whole_before_it_is_sent():
    pytest.importorskip("pyarrow")
    body = b"".join([part async for part in results_as_bytes(Chunks(2, 3).rows(), "parquet")])

    assert (body[:4], body[-4:]) == (b"PAR1", b"PAR1")


async def test_an_unknown_format_is_refused_before_anything_is_read():
    chunks = Chunks(1, 1)

    with pytest.raises(SinkError, match="'xls' is not known"):
        results_as_bytes(chunks.rows(), "xls")

    assert chunks.read == 0

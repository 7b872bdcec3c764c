"""Parquet files, by pyarrow: imported only where one is written."""

import contextlib
from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from outlive.documents.rows import Part, ResultRow, Table
from outlive.documents.sinks import ROW_GROUP, TableSink, Target

_KINDS: Final = {"bool": pa.bool_(), "int": pa.int64(), "float": pa.float64(), "text": pa.string()}
_USD: Final = pa.decimal128(18, 9)  # billionths of a dollar, exactly
_FIXED: Final = {
    "position": pa.int64(),
    "input_tokens": pa.int64(),
    "output_tokens": pa.int64(),
    "usd": _USD,
    "reused": pa.bool_(),
    "duplicate_of": pa.int64(),
}


class ParquetSink(TableSink):
    """Row groups of some thousand rows, compressed with Zstandard; the schema is fixed by the first rows."""

    def __init__(self, target: Target, columns: Sequence[str] | None) -> None:
        super().__init__(target, columns, at_once=ROW_GROUP)
        self._writer: Any = None
        self._schema: Any = None

    def _begin(self, table: Table) -> None:
        self._schema = pa.schema(list(zip(table.names(), _types(table), strict=True)))
        self._writer = pq.ParquetWriter(self._target.file, self._schema, compression="zstd")

    def _put(self, table: Table, rows: Sequence[ResultRow]) -> None:
        if not rows:
            return
        cells = zip(*(table.cells(row) for row in rows), strict=True)
        arrays = [pa.array(column, type=kind) for column, kind in zip(cells, self._schema.types, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))

    def _finish(self) -> None:
        super()._finish()
        self._writer.close()

    def _discard(self) -> None:
        if self._writer is not None:
            with contextlib.suppress(OSError, ValueError, pa.ArrowException):
                self._writer.close()  # else it writes when it is collected, to a file that is closed by then


def _types(table: Table) -> list[Any]:
    parts = {name: kind for part in (table.result, table.fields) for name, kind in _of_part(part)}
    return [parts.get(name) or _FIXED.get(name, pa.string()) for name in table.names()]


def _of_part(part: Part) -> list[tuple[str, Any]]:
    return [(f"{part.prefix}.{name}", _KINDS[kind]) for name, kind in part.kinds.items()]
